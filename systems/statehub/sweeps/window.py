"""What several observations look at in the same way: the events of the window, and where what is judged begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from opsverify.model.observation import Unobservable
from systems.statehub.activity.models import Promised
from systems.statehub.sweeps.models import Sweeps

if TYPE_CHECKING:
    from systems.statehub.client import StateHubClient

__all__ = ["TROUBLES", "begin", "promised", "sweeps"]

TROUBLES = (Unobservable, OSError, aiohttp.ClientError)
"""What keeps one of several sources from being seen; `classify` says why."""


async def sweeps(statehub: StateHubClient) -> Sweeps:
    """Sweep events of the last 24 hours, as many as the limit allows."""
    limits, schedule = statehub.section.limits, statehub.section.schedule
    events, repeated, complete = await statehub.api.events(int(limits.events.value))
    now = datetime.now(UTC)
    start = now - limits.window.duration - limits.interval.duration
    inside = tuple(e for e in events if e.at >= start)
    return Sweeps(
        events=inside,
        count=len(inside),
        looked=now,
        covers=start if complete else max(start, events[-1].at),
        repeated=repeated,
        source=schedule.source,
        manual=schedule.manual_sources,
    )


def promised(statehub: StateHubClient) -> Promised:
    """What the target promises of the definition."""
    said = statehub.section.schedule
    return Promised(id=said.id, name=said.name, cron=said.cron, timezone=said.timezone, misfire=said.misfire)


def begin(day: datetime, changed: datetime | None, incident: datetime | None) -> tuple[datetime, str]:
    """The latest of the three beginnings, and what it is."""
    day_ago = (day, "24 h ago" if changed else "24 h ago; the definition's last change is not told")
    others = [(changed, "the definition's last change"), (incident, "the incident's end")]
    return max([day_ago, *((at, what) for at, what in others if at is not None)], key=lambda p: p[0])

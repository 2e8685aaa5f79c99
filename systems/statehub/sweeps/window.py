"""Shared by several observations: the events of the window, the promised definition, and the begin of the judged period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from opsverify.model.observation import Unobservable
from systems.statehub.activity.models import Promised
from systems.statehub.sweeps.models import Sweeps

if TYPE_CHECKING:
    from systems.statehub.client import StateHubClient

__all__ = ["SOURCE_ERRORS", "begin", "promised", "sweeps"]

SOURCE_ERRORS = (Unobservable, OSError, aiohttp.ClientError)
"""Errors of one of several sources that is not reachable; `classify` makes an Unobservable of them."""


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
    """The definition that the target promises."""
    schedule = statehub.section.schedule
    return Promised(
        id=schedule.id,
        name=schedule.name,
        cron=schedule.cron,
        timezone=schedule.timezone,
        misfire=schedule.misfire,
    )


def begin(day: datetime, changed: datetime | None, incident: datetime | None) -> tuple[datetime, str]:
    """The begin of the judged period: the latest of the three instants, and which one it is."""
    day_ago = (day, "24 h ago" if changed else "24 h ago; the definition has no time of change")
    others = [(changed, "the definition's last change"), (incident, "the incident's end")]
    return max([day_ago, *((at, what) for at, what in others if at is not None)], key=lambda p: p[0])

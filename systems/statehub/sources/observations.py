"""Observations across sources: who sweeps, and the clocks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.probes.errors import classify
from systems.statehub.activity.definition import definition_of
from systems.statehub.client import StateHubClient
from systems.statehub.sources.models import Clocks, Source, Sources
from systems.statehub.sweeps.models import SweepEvent
from systems.statehub.sweeps.window import SOURCE_ERRORS, begin, promised, sweeps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["clocks", "sources"]

_ONE_CLOCK = seconds(6)  # a source that hangs must not delay the others


@observation(of=("api", "activity"), deadline=seconds(10))
async def sources(statehub: StateHubClient) -> Sources:
    """The sources of all sweeps, since the cutover's rules are in force and before."""
    now, definition = datetime.now(UTC), promised(statehub)
    day = now - statehub.section.limits.window.duration
    changed = definition_of(await statehub.activity.definitions(), definition).changed
    since, why = begin(day, changed, statehub.section.incident_ended)
    recent = await sweeps(statehub)
    return Sources(
        count=sum(e.at >= day for e in recent.events),
        day=day,
        covers=recent.covers,
        ahead=recent.ahead,
        since=since,
        since_why=why,
        allowed=(recent.source, *recent.manual),
        judged=_by_source(e for e in recent.events if e.at >= since),
        earlier=_by_source(e for e in recent.events if day <= e.at < since),
    )


@observation(of="api", deadline=seconds(20))
async def clocks(statehub: StateHubClient) -> Clocks:
    """The clock of every source that has one, against ours."""
    section = statehub.section
    asking: dict[str, Callable[[], Awaitable[timedelta]]] = {
        "api": lambda: _measured(statehub.api.date),
        "bridge": lambda: _measured(statehub.bridge.date),
        "kubernetes": lambda: _measured(statehub.kubernetes.date),
        "workstation": lambda: _measured(statehub.workstation.date),
        "activity": statehub.activity.ahead,
    }
    names = [name for name in asking if getattr(section, name) is not None]
    answers = await asyncio.gather(*(_ahead_or_error(asking[name]) for name in names))
    ahead = [(n, a) for n, a in zip(names, answers, strict=True) if isinstance(a, timedelta)]
    missing = [f"{n}: {a}" for n, a in zip(names, answers, strict=True) if isinstance(a, Unobservable)]
    if not ahead:
        raise Unobservable(ErrorKind.PRECONDITION, f"no source returned its clock: {'; '.join(missing)}")
    temporal = "temporal: its API returns no clock; S-SCH-2 judges its fire times"
    return Clocks(
        asked=tuple(names),
        ahead=tuple(ahead),
        missing=tuple(missing),
        clockless=(temporal,) if section.temporal is not None else (),
    )


async def _ahead_or_error(ask: Callable[[], Awaitable[timedelta]]) -> timedelta | Unobservable:
    try:
        async with asyncio.timeout(_ONE_CLOCK.total_seconds()):
            return await ask()
    except SOURCE_ERRORS as trouble:
        return classify(trouble)


async def _measured(ask: Callable[[], Awaitable[str]]) -> timedelta:
    """At least how far a clock is ahead of ours; zero if it lies within the duration of the request."""
    before = datetime.now(UTC)
    earliest, latest = _span(await ask())
    after = datetime.now(UTC)
    return earliest - after if earliest > after else min(latest - before, timedelta(0))


def _by_source(events: Iterable[SweepEvent]) -> tuple[Source, ...]:
    grouped: dict[str, list[SweepEvent]] = defaultdict(list)
    for event in events:
        grouped[event.result.source].append(event)
    newest = {name: max(there, key=lambda e: e.at) for name, there in grouped.items()}
    return tuple(
        Source(name=name, count=len(grouped[name]), newest=one.at, newest_id=one.id)
        for name, one in sorted(newest.items())
    )


def _span(text: str) -> tuple[datetime, datetime]:
    """Earliest and latest instant that a clock's text can mean: an HTTP date has whole seconds."""
    try:
        moment = datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    else:
        return moment, moment
    try:
        second = parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"time {text[:60]!r} cannot be parsed") from None
    return second, second + seconds(1)

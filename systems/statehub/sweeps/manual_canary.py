"""The manual canary: one sweep through the bridge, requested while none is running, followed to its progress event.

It reconciles real repositories, so it is requested once and never retried: after a time-out it is followed by time and
source.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from opsverify.model.deadline import Deadline, DeadlinePassed, eventually, seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.errors import classify
from systems.statehub.activity.definition import run_of
from systems.statehub.schedule.grid import at_or_before
from systems.statehub.sweeps.models import ManualCanary
from systems.statehub.sweeps.results import parse_result
from systems.statehub.sweeps.window import SOURCE_ERRORS

if TYPE_CHECKING:
    from opsverify.probes.http import Reply
    from systems.statehub.client import StateHubClient
    from systems.statehub.sweeps.models import SweepEvent, SweepResult

__all__ = ["PostSweep", "at_once", "free_moment", "observe_canary"]

_NEWEST = 20
_MAYBE_TAKEN = {ErrorKind.SILENT, ErrorKind.RESET, ErrorKind.SERVER_ERROR}
_LOOKS_EVERY = seconds(0.5)


class PostSweep(Protocol):
    """The only action of the canary: request a sweep."""

    async def __call__(self) -> Reply:
        """Request one sweep."""


async def observe_canary(statehub: StateHubClient, post_sweep: PostSweep) -> ManualCanary:
    """Wait for a free moment, request one sweep, and follow it to its event.

    Raises:
        Unobservable: no sweep was requested, since that was not safe; or the reply is not one of a sweep.
    """
    waiting = Deadline(statehub.section.limits.patience.duration)
    await free_moment(statehub)
    waited = waiting.elapsed
    known = {event.id for event in await _same_on_both_paths(statehub)}
    posted, no_reply, result, clock = datetime.now(UTC), "", None, Deadline(timedelta(0))
    try:
        reply = await post_sweep()
    except Unobservable as trouble:
        if trouble.kind not in _MAYBE_TAKEN:
            raise
        no_reply = str(trouble)
    else:
        result = parse_result(reply.json(), "the canary's reply", source=False)
    took = clock.elapsed
    events: tuple[SweepEvent, ...] = ()
    others: tuple[SweepEvent, ...] = ()
    if result is None or not result.lock_skipped:  # a sweep that the lock skipped leaves no event
        events, others = await _followed(statehub, known, posted, took, replied=result is not None)
    return ManualCanary(
        posted=posted,
        took=took,
        reply=result,
        no_reply=no_reply,
        events=events,
        others=others,
        count=len(events) + len(others),
        waited=waited,
    )


async def free_moment(statehub: StateHubClient) -> None:
    """Wait, as long as patience allows, until no sweep is running and one fits before the next instant.

    Raises:
        Unobservable: there was no such moment, or it is unknown.
    """
    patience = statehub.section.limits.patience.duration
    try:
        await eventually(
            lambda: _busy(statehub, datetime.now(UTC)),
            lambda why: not why,
            expected="no sweep running, and time for one before the next instant",
            within=patience,
            every=_LOOKS_EVERY,
        )
    except DeadlinePassed as passed:
        raise Unobservable(ErrorKind.PRECONDITION, f"no sweep was requested: {passed}") from None


async def _busy(statehub: StateHubClient, now: datetime) -> str:
    """Why no sweep may be requested now; empty if one may."""
    limits = statehub.section.limits
    instant = at_or_before(now, limits.interval.duration)
    following = instant + limits.interval.duration
    needs = limits.canary.duration + limits.canary_slack.duration
    if now + needs > following:
        return f"a sweep might not end before {following:%H:%M:%S}Z, when the next one is due"
    longest = limits.at_work.duration
    events, _, _ = await statehub.api.events(_NEWEST)
    here = [e for e in events if e.at >= instant and e.result.source == statehub.section.schedule.source]
    if here:
        return _skipped(here[0], events) if now <= here[0].at + longest else ""
    if statehub.section.activity is None:
        at_work = now <= instant + longest
        return f"the sweep of {instant:%H:%M:%S}Z has no event yet, and may be running" if at_work else ""
    return await _unfinished(statehub, now, instant, longest)


def _skipped(newest: SweepEvent, events: tuple[SweepEvent, ...]) -> str:
    """Why the lock that skipped this scheduled sweep may still be held; empty if it is not."""
    over = any(e.at >= newest.at and not e.result.lock_skipped for e in events)
    return (
        ""
        if over
        else f"{newest.id} of {newest.at:%H:%M:%S}Z was skipped by the lock: another sweep is running"
    )


async def _unfinished(statehub: StateHubClient, now: datetime, instant: datetime, longest: timedelta) -> str:
    """Why a sweep without an event may be running, by activity-core's runs."""
    for run in map(run_of, await _runs_since(statehub, now - longest)):
        if run.result is None and run.fired_at is not None and now - run.fired_at <= longest:
            return f"run {run.run_id}, fired at {run.fired_at:%H:%M:%S}Z, has no result yet"
        if run.scheduled_for == instant:
            return ""
    begins = now <= instant + statehub.section.limits.begins.duration
    return f"the sweep of {instant:%H:%M:%S}Z may be about to begin" if begins else ""


async def at_once(*asks: PostSweep) -> list[SweepResult]:
    """Results of several sweeps that are requested at the same time."""
    replies = await asyncio.gather(*(ask() for ask in asks))
    return [parse_result(reply.json(), "a reply", source=False) for reply in replies]


async def _runs_since(statehub: StateHubClient, since: datetime) -> list[dict[str, object]]:
    try:
        async with asyncio.timeout(5):
            return (await statehub.activity.runs(since, 100))[0]
    except (Unobservable, TimeoutError) as trouble:
        message = f"no sweep was requested: activity-core does not show whether one is running ({trouble})"
        raise Unobservable(ErrorKind.PRECONDITION, message) from None


async def _same_on_both_paths(statehub: StateHubClient) -> tuple[SweepEvent, ...]:
    """The newest events, if the bridge leads to the same State Hub. Raises Unobservable otherwise."""
    bridged, _, _ = await statehub.bridge.events(1)
    direct, _, _ = await statehub.api.events(_NEWEST)
    if bridged[0].id not in {event.id for event in direct[:2]}:
        message = f"no sweep was requested: the newest event through the bridge is {bridged[0].id}, directly {direct[0].id}; see S-API-1"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    return direct


async def _followed(
    statehub: StateHubClient, known: set[str], posted: datetime, took: timedelta, *, replied: bool
) -> tuple[tuple[SweepEvent, ...], tuple[SweepEvent, ...]]:
    """New events of a source that can be the canary's, and other new ones; waits for them until its time is over.

    An event dated before the POST does not end the waiting: it is a late one of another sweep, or State Hub's clock is slow.
    """
    limits, schedule = statehub.section.limits, statehub.section.schedule
    sources = {schedule.canary_source, *schedule.manual_sources}
    allowed = limits.canary.duration + limits.canary_slack.duration
    clock = Deadline(
        limits.canary_slack.duration if replied else allowed + limits.canary_slack.duration - took
    )
    trouble: Unobservable | None = None
    while True:
        try:
            events, _, _ = await statehub.api.events(_NEWEST)
            trouble = None
        except SOURCE_ERRORS as error:
            events, trouble = (), classify(error)
        new = [e for e in events if e.id not in known]
        own = tuple(e for e in new if e.result.source in sources and not e.result.lock_skipped)
        if any(e.at >= posted for e in own) or clock.passed:
            if trouble is not None and replied:
                raise trouble
            return own, tuple(e for e in new if e not in own)
        await asyncio.sleep(max(_LOOKS_EVERY, clock.within / 20).total_seconds())

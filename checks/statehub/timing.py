"""Which instants have had their time, whose clock cannot be trusted, and which times and parts of evidence do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.formatting import at
from systems.statehub.schedule.grid import at_or_before, due

if TYPE_CHECKING:
    from datetime import datetime

    from systems.statehub.activity.models import Runs
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.sweeps.models import Sweeps

__all__ = [
    "apart",
    "events_astray",
    "events_lost",
    "future",
    "ripe",
    "ripe_until",
    "runs_astray",
    "runs_lost",
    "stretch_astray",
    "watching",
]


def future(sweeps: Sweeps, limits: StateHubLimits) -> str:
    """Why State Hub's clock cannot be trusted: its newest event is of the future. Empty where it can."""
    if sweeps.ahead <= limits.skew.duration:
        return ""
    return f"the newest event is {sweeps.ahead.total_seconds():.0f} s in the future: State Hub's clock or ours is wrong"


def apart(runs: Runs, limits: StateHubLimits) -> str:
    """Why the database's clock cannot be trusted: it is too far from ours. Empty where it can."""
    if abs(runs.ahead) <= limits.skew.duration:
        return ""
    return f"the database's clock is {runs.ahead.total_seconds():+.0f} s from ours; see S-DB-1"


def events_lost(sweeps: Sweeps) -> str:
    """How many events of the reply are not here. Empty where all are."""
    here = len(sweeps.events)
    return (
        "" if here == sweeps.count else f"the reply had {sweeps.count} events of the window, {here} are here"
    )


def runs_lost(runs: Runs) -> str:
    """How many rows of the database's answer are not here. Empty where all are."""
    here = len(runs.runs)
    return "" if here == runs.count else f"the database gave {runs.count} runs, {here} are here"


def events_astray(sweeps: Sweeps, limits: StateHubLimits) -> str:
    """Which time of the events cannot be one of the window that was asked for. Empty where all can."""
    longest = limits.window.duration + limits.interval.duration + limits.skew.duration
    if not -limits.skew.duration <= sweeps.looked - sweeps.covers <= longest:
        return f"events of {at(sweeps.covers)} to {at(sweeps.looked)} are none of a window of {limits.window}"
    old = [e for e in sweeps.events if e.at < sweeps.covers]
    return f"event {old[0].id} of {at(old[0].at)} is older than {at(sweeps.covers)}" if old else ""


def stretch_astray(day: datetime, since: datetime) -> str:
    """Why a stretch cannot be the one that is judged. Empty where it can."""
    return "" if day <= since else f"a stretch that begins at {at(since)} is not of the day since {at(day)}"


def runs_astray(runs: Runs, limits: StateHubLimits) -> str:
    """Which time of the runs cannot be one of the window that was asked for. Empty where all can."""
    skew, interval = limits.skew.duration, limits.interval.duration
    ended = runs.day + limits.window.duration
    if not runs.as_of <= ended + skew:
        return f"rows as of {at(runs.as_of)} are none of the day since {at(runs.day)}"
    first, last = runs.day - interval - skew, ended + interval + skew  # it may have fired while it was asked
    for run in runs.runs:
        if run.scheduled_for is not None and not first <= run.scheduled_for <= last:
            return f"run {run.run_id} of {at(run.scheduled_for)} is none of the day since {at(runs.day)}"
    return stretch_astray(runs.day, runs.since)


def ripe_until(runs: Runs, limits: StateHubLimits) -> datetime:
    """The last instant at which a run has had its time."""
    return at_or_before(runs.as_of - limits.sweep.duration - limits.slack.duration, limits.interval.duration)


def ripe(runs: Runs, limits: StateHubLimits) -> list[datetime]:
    """Every instant since the beginning at which a run has had its time: none where the times do not fit."""
    if runs_astray(runs, limits):
        return []
    return due(runs.since, ripe_until(runs, limits), limits.interval.duration)


def watching(runs: Runs, limits: StateHubLimits, wanted: int = 1) -> str:
    """Until when there is nothing to say, where fewer than `wanted` instants are ripe. Empty where there are enough."""
    have = len(ripe(runs, limits))
    if have >= wanted:
        return ""
    ready = runs.since + limits.interval.duration * wanted + limits.sweep.duration + limits.slack.duration
    standby = f"; this is a standby that speaks of {at(runs.as_of)}" if runs.standby else ""
    return f"watching until {ready:%H:%M:%S}Z at the latest: {have} of {wanted} instants are due since {runs.since_why} ({at(runs.since)}){standby}"

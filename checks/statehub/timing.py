"""Timing of evidence: instants that are due, clocks that are wrong, times outside the window, rows that are missing.

Each function that returns a text says what is wrong; empty means nothing.
"""

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
    """Why State Hub's clock cannot be trusted: its newest event is in the future."""
    if sweeps.ahead <= limits.skew.duration:
        return ""
    return f"the newest event is {sweeps.ahead.total_seconds():.0f} s in the future: State Hub's clock or ours is wrong"


def apart(runs: Runs, limits: StateHubLimits) -> str:
    """Why the database clock cannot be trusted: it differs from ours by more than the limit."""
    if abs(runs.ahead) <= limits.skew.duration:
        return ""
    return f"the database clock is {runs.ahead.total_seconds():+.0f} s against ours; see S-DB-1"


def events_lost(sweeps: Sweeps) -> str:
    """How many events of the reply are missing in the evidence."""
    here = len(sweeps.events)
    return (
        ""
        if here == sweeps.count
        else f"the reply had {sweeps.count} events of the window, the evidence has {here}"
    )


def runs_lost(runs: Runs) -> str:
    """How many rows of the database's reply are missing in the evidence."""
    here = len(runs.runs)
    return "" if here == runs.count else f"the database returned {runs.count} runs, the evidence has {here}"


def events_astray(sweeps: Sweeps, limits: StateHubLimits) -> str:
    """A time of the events that is outside the window that was asked for."""
    longest = limits.window.duration + limits.interval.duration + limits.skew.duration
    if not -limits.skew.duration <= sweeps.looked - sweeps.covers <= longest:
        return (
            f"events from {at(sweeps.covers)} to {at(sweeps.looked)} do not fit a window of {limits.window}"
        )
    old = [e for e in sweeps.events if e.at < sweeps.covers]
    return f"event {old[0].id} of {at(old[0].at)} is older than {at(sweeps.covers)}" if old else ""


def stretch_astray(day: datetime, since: datetime) -> str:
    """Why the judged period does not fit the last 24 h."""
    return "" if day <= since else f"the judged period begins at {at(since)}, before the 24 h from {at(day)}"


def runs_astray(runs: Runs, limits: StateHubLimits) -> str:
    """A time of the runs that is outside the window that was asked for."""
    skew, interval = limits.skew.duration, limits.interval.duration
    ended = runs.day + limits.window.duration
    if not runs.as_of <= ended + skew:
        return f"rows as of {at(runs.as_of)} are outside the 24 h from {at(runs.day)}"
    first, last = runs.day - interval - skew, ended + interval + skew  # a run may fire during the query
    for run in runs.runs:
        if run.scheduled_for is not None and not first <= run.scheduled_for <= last:
            return f"run {run.run_id} of {at(run.scheduled_for)} is outside the 24 h from {at(runs.day)}"
    return stretch_astray(runs.day, runs.since)


def ripe_until(runs: Runs, limits: StateHubLimits) -> datetime:
    """The last instant whose run must have ended by now."""
    return at_or_before(runs.as_of - limits.sweep.duration - limits.slack.duration, limits.interval.duration)


def ripe(runs: Runs, limits: StateHubLimits) -> list[datetime]:
    """Every instant of the judged period whose run must have ended by now; none if the times do not fit."""
    if runs_astray(runs, limits):
        return []
    return due(runs.since, ripe_until(runs, limits), limits.interval.duration)


def watching(runs: Runs, limits: StateHubLimits, wanted: int = 1) -> str:
    """Until when it is too early to judge: fewer than `wanted` instants are due."""
    have = len(ripe(runs, limits))
    if have >= wanted:
        return ""
    ready = runs.since + limits.interval.duration * wanted + limits.sweep.duration + limits.slack.duration
    standby = f"; rows of a standby, as of {at(runs.as_of)}" if runs.standby else ""
    return f"watching until {ready:%H:%M:%S}Z at the latest: {have} of {wanted} instants are due since {runs.since_why} ({at(runs.since)}){standby}"

"""Which instants have had their time, and whose clock cannot be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.words import at
from fixtures.statehub.grid import at_or_before, due

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.statehub.limits import StateHubLimits
    from fixtures.statehub.seen import Runs, Sweeps

__all__ = ["apart", "future", "ripe", "ripe_until", "watching"]


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


def ripe_until(runs: Runs, limits: StateHubLimits) -> datetime:
    """The last instant at which a run has had its time."""
    return at_or_before(runs.as_of - limits.sweep.duration - limits.slack.duration, limits.interval.duration)


def ripe(runs: Runs, limits: StateHubLimits) -> list[datetime]:
    """Every instant since the beginning at which a run has had its time."""
    return due(runs.since, ripe_until(runs, limits), limits.interval.duration)


def watching(runs: Runs, limits: StateHubLimits, wanted: int = 1) -> str:
    """Until when there is nothing to say, where fewer than `wanted` instants are ripe. Empty where there are enough."""
    have = len(ripe(runs, limits))
    if have >= wanted:
        return ""
    ready = runs.since + limits.interval.duration * wanted + limits.sweep.duration + limits.slack.duration
    standby = f"; this is a standby that speaks of {at(runs.as_of)}" if runs.standby else ""
    return f"watching until {ready:%H:%M:%S}Z at the latest: {have} of {wanted} instants are due since {runs.since_why} ({at(runs.since)}){standby}"

"""Thresholds of the checks on sweeps."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["SweepsLimits"]


class SweepsLimits(Limits):
    """Thresholds of the checks on sweeps."""

    sweep: Limit = Limit(value=360, unit="s", source="runbook, Schedule Check: the bridge allows up to 360 s")
    window: Window = Window(value=86400, unit="s", source="SEMANTICS, State Hub: 24 h")
    recent: Limit = Limit(value=5, unit="events", source="runbook, Progress Event Check: limit=5")
    events: Window = Window(
        value=200, unit="events", source="assumed: 96 scheduled a day, and as many by hand"
    )
    in_a_row: Limit = Limit(value=3, unit="", source="SEMANTICS, State Hub: three in a row are P0")
    starved: Limit = Limit(value=4, unit="sweeps", source="SEMANTICS, State Hub: skipped_budget four running")
    canary: Window = Window(value=300, unit="s", source="runbook, API Surface: max_seconds 300")
    canary_slack: Window = Window(
        value=60, unit="s", source="runbook, Schedule Check: the bridge allows 360 s for 300"
    )
    patience: Window = Window(
        value=60, unit="s", source="assumed: wait for a moment in which none is at work"
    )
    at_work: Window = Window(
        value=420,
        unit="s",
        source="runbook, Schedule Check: the bridge allows up to 360 s; and 60 s of slack",
    )
    begins: Window = Window(value=60, unit="s", source="assumed: from an instant until its sweep has begun")

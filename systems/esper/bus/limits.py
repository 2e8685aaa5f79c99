"""Thresholds of the checks on the Oona bus."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["BusLimits"]


class BusLimits(Limits):
    """Thresholds of the checks on the Oona bus."""

    normal_depth: Limit = Limit(value=4000, unit="entries", source="runbook 3.2, emergency_threshold")
    drop_depth: Limit = Limit(value=8000, unit="entries", source="runbook 3.2, backpressure_drop_threshold")
    emergency_depth: Limit = Limit(
        value=100, unit="entries", source="assumed: runbook 3.1.4 only says that it stays low"
    )
    memory_use: Limit = Limit(value=0.9, unit="of maxmemory", source="assumed")
    in_flight: Limit = Limit(
        value=150, unit="entries", source="assumed: one of Nissa's reads of each stream (100 and 50)"
    )
    lag: Limit = Limit(value=1000, unit="entries", source="assumed: ten of Nissa's reads of 100")
    pending_age: Limit = Limit(value=60, unit="s", source="assumed: far above any single delivery")
    newest: Window = Window(
        value=50, unit="entries", source="assumed: newest entries decoded from each stream"
    )
    window: Window = Window(value=5, unit="s", source="assumed: time between two samples")

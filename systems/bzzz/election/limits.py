"""Thresholds of the checks on the election and SLURP."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["ElectionLimits"]


class ElectionLimits(Limits):
    """Thresholds of the checks on the election and SLURP."""

    confirm: Window = Window(value=3, unit="s", source="assumed: an election takes no longer")
    heartbeat: Limit = Limit(value=15, unit="s", source="assumed: three heartbeats of 5 s")
    slurp_queue: Limit = Limit(
        value=0.8, unit="of its bound", source="assumed: backpressure is near from there on"
    )
    slurp_dead_letters: Limit = Limit(
        value=100, unit="dead letters", source="assumed: somebody looks at them"
    )

"""Models of the DHT as Prometheus has it: replication, operations."""

from __future__ import annotations

from opsverify.model.observation import Observed
from systems.bzzz.agents.models import Running

__all__ = ["Operations", "Replication"]


class Replication(Observed):
    """Replication factor and provider records of each instance, of `wanted` agents, and a message where some have none;
    `put_rate` in operations a second, summed, None where unknown.
    """

    factors: dict[str, float]
    records: dict[str, float]
    put_rate: float | None
    running: Running
    wanted: int
    missing_factors: tuple[str, ...]
    missing_records: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Operations(Observed):
    """Success rate (0 to 1) by series, the 95th percentile of the latency in seconds, and over which window; `missing`
    has a message about rates outside 0 to 1.
    """

    success: dict[str, float]
    p95_s: float
    window_s: float
    missing: tuple[str, ...]
    warnings: tuple[str, ...] = ()

"""Thresholds of the checks on Kasmina."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["KasminaLimits"]


class KasminaLimits(Limits):
    """Thresholds of the checks on Kasmina."""

    fetch: Limit = Limit(value=10, unit="ms", source="documented: Kasmina's budget for fetching a kernel")
    isolation_packets: Limit = Limit(
        value=3,
        unit="packets",
        source="assumed: packets of Kasmina without an increase that make a breach over",
    )

"""Thresholds of the checks on Tamiyo."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["TamiyoLimits"]


class TamiyoLimits(Limits):
    """Thresholds of the checks on Tamiyo."""

    calm_packets: Limit = Limit(
        value=5, unit="packets", source="assumed: packets of Tamiyo without a pause that make a lock over"
    )
    loss_delta: Limit = Limit(value=0.15, unit="", source="documented: above it Tamiyo pauses an epoch")
    risk: Limit = Limit(value=0.8, unit="", source="documented: from it on Tamiyo quarantines a blueprint")

"""Thresholds of the checks on Nissa."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["NissaLimits"]


class NissaLimits(Limits):
    """Thresholds of the checks on Nissa."""

    settle: Window = Window(value=3, unit="s", source="assumed: two of Nissa's read cycles of 1.5 s")
    canary: Window = Window(value=5, unit="s", source="assumed: three of Nissa's read cycles")
    burn_rate: Limit = Limit(
        value=0.4, unit="violations per sample", source="documented: Nissa's SLO breach threshold"
    )

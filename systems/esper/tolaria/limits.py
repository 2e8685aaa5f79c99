"""Thresholds of the checks on Tolaria."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["TolariaLimits"]


class TolariaLimits(Limits):
    """Thresholds of the checks on Tolaria."""

    epoch: Limit = Limit(value=18, unit="ms", source='runbook 4 "Tolaria"')
    slow_epochs: Limit = Limit(value=3, unit="epochs in a row", source='runbook 4 "Tolaria"')

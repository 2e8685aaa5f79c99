"""Thresholds of the checks on Simic."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["SimicLimits"]


class SimicLimits(Limits):
    """Thresholds of the checks on Simic."""

    validation_loss: Limit = Limit(
        value=10, unit="", source="assumed: a loss that no longer learns; set what your model should reach"
    )
    simic_lag: Limit = Limit(
        value=60, unit="s", source="assumed: training that is newer than Simic's newest packet by more"
    )
    policy_age: Limit = Limit(value=3600, unit="s", source="assumed: age of the newest policy update")

"""Thresholds of the checks on maintenance."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["MaintenanceLimits"]

_DAY = 86400


class MaintenanceLimits(Limits):
    """Thresholds of the checks on maintenance."""

    drill_age: Limit = Limit(value=31 * _DAY, unit="s", source='runbook "Monthly Recovery Tests"')

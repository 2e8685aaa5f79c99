"""Thresholds of the checks that restore a backup."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["RestoreLimits"]


class RestoreLimits(Limits):
    """Thresholds of the checks that restore a backup."""

    restore_time: Limit = Limit(
        value=7200, unit="s", source='runbook, "Severity Levels": P0 is resolved within 2 h'
    )

"""Every threshold of what is restored."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["RestoreLimits"]


class RestoreLimits(Limits):
    """Every threshold of what is restored."""

    restore_time: Limit = Limit(
        value=7200, unit="s", source='runbook, "Severity Levels": P0 is resolved within 2 h'
    )

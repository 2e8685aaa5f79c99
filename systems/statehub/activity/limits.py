"""Thresholds of the checks on activity-core's PostgreSQL and its runs."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["ActivityLimits"]


class ActivityLimits(Limits):
    """Thresholds of the checks on activity-core's PostgreSQL and its runs."""

    standby: Limit = Limit(value=30, unit="s", source="assumed: how far a standby may be behind its primary")
    resumed: Limit = Limit(
        value=2,
        unit="instants",
        source="SEMANTICS, State Hub: a gap may be single, so one run proves nothing",
    )

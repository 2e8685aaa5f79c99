"""Thresholds of the checks on published addresses."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["PublishedLimits"]


class PublishedLimits(Limits):
    """Thresholds of the checks on published addresses."""

    certificate_days: Limit = Limit(value=14, unit="days", source="assumed: time to renew by hand")

"""Thresholds of the checks on the sources' clocks."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["SourcesLimits"]


class SourcesLimits(Limits):
    """Thresholds of the checks on the sources' clocks."""

    skew: Limit = Limit(
        value=5, unit="s", source="assumed: difference of two clocks kept by NTP, and a request"
    )

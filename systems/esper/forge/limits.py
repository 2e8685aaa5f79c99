"""Thresholds of the checks on the program's files."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["ForgeLimits"]


class ForgeLimits(Limits):
    """Thresholds of the checks on the program's files."""

    report_age: Limit = Limit(value=600, unit="s", source="assumed: age of the newest field report")

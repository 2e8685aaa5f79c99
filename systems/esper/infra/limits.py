"""Thresholds of the checks on Prometheus around Esper-Lite."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["InfraLimits"]


class InfraLimits(Limits):
    """Thresholds of the checks on Prometheus around Esper-Lite."""

    scrape_intervals: Limit = Limit(
        value=3, unit="scrape intervals", source="assumed: age of a target's last scrape, with scrape_slack"
    )
    scrape_slack: Limit = Limit(value=2, unit="s", source="assumed: a scrape's own time-out and delay")

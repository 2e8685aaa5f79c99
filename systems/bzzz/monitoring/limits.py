"""Thresholds of the checks on health scores, errors and rules in Prometheus."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["MonitoringLimits"]


class MonitoringLimits(Limits):
    """Thresholds of the checks on health scores, errors and rules in Prometheus."""

    health_critical: Limit = Limit(
        value=0.5, unit="health score", source='runbook "System Health Critical": below it'
    )
    health_low: Limit = Limit(
        value=0.8, unit="health score", source="assumed: below it something is degraded"
    )
    sli: Limit = Limit(
        value=0.99, unit="of health checks passed", source="assumed: the runbook names no objective"
    )
    sli_window: Window = Window(
        value=300, unit="s", source='runbook "Prometheus Queries for Health": rates over [5m]'
    )
    error_rate: Limit = Limit(
        value=0.1,
        unit="errors per second",
        source="assumed: all agents together; the runbook only shows the rate",
    )
    rule_intervals: Limit = Limit(
        value=3,
        unit="evaluation intervals",
        source="assumed: age of a rule's last evaluation, with rule_slack",
    )
    rule_slack: Limit = Limit(value=2, unit="s", source="assumed: an evaluation's own time")

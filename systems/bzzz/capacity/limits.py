"""Thresholds of the checks on capacity and latency."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["CapacityLimits"]

_CAPACITY = 'runbook "Resource Monitoring": capacity alerts at 70% utilization'
_SYSCTL = 'runbook "Network Optimization"'


class CapacityLimits(Limits):
    """Thresholds of the checks on capacity and latency."""

    io_wait: Limit = Limit(value=0.2, unit="of CPU time", source="assumed")
    network_use: Limit = Limit(value=0.7, unit="of the line's speed", source="assumed, as for capacity")
    rmem_max: Limit = Limit(value=16_777_216, unit="bytes", source=_SYSCTL)
    wmem_max: Limit = Limit(value=16_777_216, unit="bytes", source=_SYSCTL)
    cpu_use: Limit = Limit(value=0.7, unit="of all CPUs", source=_CAPACITY)
    memory_use: Limit = Limit(value=0.7, unit="of the memory", source=_CAPACITY)
    disk_use: Limit = Limit(value=0.7, unit="of the file system", source=_CAPACITY)
    task_memory: Limit = Limit(value=0.9, unit="of a task's limit", source="assumed")
    rate_window: Window = Window(value=300, unit="s", source="runbook, its queries: rate(…[5m])")
    projected: Limit = Limit(
        value=90, unit="days", source='runbook "Resource Monitoring": plan expansions 3-6 months ahead'
    )
    history_days: Window = Window(
        value=14, unit="days", source="assumed: what Prometheus keeps by default is 15"
    )
    history_least: Limit = Limit(value=3, unit="days", source="assumed")
    latency_window: Window = Window(value=300, unit="s", source="runbook, its queries: rate(…[5m])")
    latency_growth: Limit = Limit(value=1.5, unit="times the baseline", source="assumed")
    latency_floor: Limit = Limit(
        value=0.005, unit="s", source="assumed: below it a difference is no difference"
    )

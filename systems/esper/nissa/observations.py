"""Observations of Nissa: its pages, its ingest, and the canary message."""

from __future__ import annotations

from datetime import timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.esper.client import EsperClient
from systems.esper.nissa.ingest import PublishCanary, observe_canary, observe_ingest
from systems.esper.nissa.models import CanaryMessage, Ingest, NissaHealth, NissaMetrics, NissaSummary

__all__ = ["CORE_ALERTS", "canary", "ingest", "nissa_health", "nissa_metrics", "nissa_summary"]

# Nissa's alert rules: alert → the metric that feeds it (facts of the wire, 3.4).
CORE_ALERTS = {
    "training_latency_high": "tolaria.training.latency_ms",
    "kasmina_isolation_violation": "kasmina.isolation.violations",
    "oona_queue_depth": "oona.queue.depth",
    "tezzeret_compile_retry_high": "tezzeret.compile.retry_count",
}


@observation(of="nissa", deadline=seconds(3))
async def nissa_health(esper: EsperClient) -> NissaHealth:
    """Reply of /healthz."""
    return await esper.nissa.health()


@observation(of="nissa", deadline=seconds(3))
async def nissa_metrics(esper: EsperClient) -> NissaMetrics:
    """Metrics that /metrics exposes."""
    return await esper.nissa.metrics()


@observation(of=("nissa", "redis"), deadline=seconds(5))
async def nissa_summary(esper: EsperClient) -> NissaSummary:
    """Active alerts and SLOs, and the age of each core alert's metric on the bus."""
    alerts, slos = await esper.nissa.summary()
    telemetry = await esper.bus.telemetry()
    newest = {metric: packet for packet in telemetry.packets for metric in packet.metrics}
    return NissaSummary(
        workload=esper.section.workload,
        alerts=alerts,
        slos=slos,
        fed_s={
            alert: newest[metric].age_s(telemetry.now_ms) if metric in newest else None
            for alert, metric in CORE_ALERTS.items()
        },
    )


@observation(of=("nissa", "redis"), deadline=seconds(10), window="window")
async def ingest(esper: EsperClient, window: timedelta) -> Ingest:
    """Entries that arrive on the bus, compared with Nissa's counters of them."""
    return await observe_ingest(esper, window)


@observation(of=("nissa", "redis"), deadline=seconds(12), active="publish_canary")
async def canary(esper: EsperClient, publish_canary: PublishCanary) -> CanaryMessage:
    """A canary message followed from the bus to Nissa's counter."""
    return await observe_canary(esper, publish_canary)

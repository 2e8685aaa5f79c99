"""Observations of the DHT, from Prometheus, and by its own test command."""

from __future__ import annotations

import asyncio

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.bzzz.agents.instances import (
    component_lines,
    missing_agents,
    running_agents,
    wanted_agents,
    without_odd,
)
from systems.bzzz.agents.models import TasksRan
from systems.bzzz.agents.observations import Command
from systems.bzzz.client import BzzzClient
from systems.bzzz.dht.models import Operations, Replication

__all__ = ["dht_operations", "dht_round_trip", "replication"]

_DHT = "dht-health"


def _window(bzzz: BzzzClient) -> str:
    return f"{bzzz.section.limits.dht_window.value:g}s"


@observation(of="prometheus", deadline=seconds(8))
async def replication(bzzz: BzzzClient) -> Replication:
    """Replication factor and provider records of each instance, and the put rate."""
    factors, records, puts, running, evidence = await asyncio.gather(
        bzzz.prometheus.current("bzzz_dht_replication_factor"),
        bzzz.prometheus.current("bzzz_dht_provider_records"),
        bzzz.prometheus.vector(f"sum(rate(bzzz_dht_put_operations_total[{_window(bzzz)}]))"),
        running_agents(bzzz),
        component_lines(bzzz, _DHT),
    )
    wanted = wanted_agents(bzzz, running)
    (counted, odd), (held, strange) = without_odd(factors), without_odd(records)
    return Replication(
        factors=counted.lowest,
        records=held.lowest,
        put_rate=puts.series[0].value if puts.series else None,
        running=running,
        wanted=wanted,
        missing_factors=(*missing_agents(factors, running, wanted), *odd),
        missing_records=(*missing_agents(records, running, wanted), *strange),
        evidence=evidence,
        warnings=(*factors.warnings, *records.warnings),
    )


@observation(of="prometheus", deadline=seconds(8))
async def dht_operations(bzzz: BzzzClient) -> Operations:
    """Success rate of the DHT's operations, and the 95th percentile of their latency."""
    buckets = f"sum by (le) (rate(bzzz_dht_operation_latency_seconds_bucket[{_window(bzzz)}]))"
    success, p95 = await asyncio.gather(
        bzzz.prometheus.current("bzzz:dht_success_rate"),
        bzzz.prometheus.current(f"histogram_quantile(0.95, {buckets})"),
    )
    rates, odd = without_odd(success, most=1.0)
    return Operations(
        success=rates.lowest,
        p95_s=p95.series[0].value,
        window_s=bzzz.section.limits.dht_window.value,
        missing=odd,
        warnings=(*success.warnings, *p95.warnings),
    )


@observation(of="services", deadline=seconds(60), active="test_dht_operations")
async def dht_round_trip(bzzz: BzzzClient, test_dht_operations: Command) -> TasksRan:
    """The outcome of BZZZ's own put and get, run on each agent."""
    del bzzz
    return await test_dht_operations()

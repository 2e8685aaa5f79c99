"""Redis, Prometheus, Grafana and Elasticsearch under Esper-Lite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.bus.criteria import server as criteria
from checks.esper.infra import criteria as around
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Bracketed, Observation
    from systems.esper.bus.models import Durability, RedisStatus
    from systems.esper.infra.models import ClusterHealth, GrafanaHealth, Scraping
    from systems.esper.limits import EsperLimits

SETUP = '1 "Environment & Dependencies"'


@pytest.mark.check(
    id="E-INF-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=SETUP,
    next_step="is the Redis container running, and was it restarted? Without persistence a restart loses streams and groups (see E-OON-1)",
)
def test_redis_answers_and_stays_the_same_server(bus_server: Observation[Bracketed[RedisStatus]]) -> None:
    """Redis answers, accepts streams, and is the same server from start to end of the run."""
    verify(criteria.same_server(bus_server.value), criteria.accepts_writes(bus_server.value.last))


@pytest.mark.check(
    id="E-INF-2",
    severity="P2",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=SETUP,
    next_step="see Status > Targets in Prometheus: is Nissa up (E-NIS-1) and reachable from there? Meanwhile dashboards get no new data",
)
def test_prometheus_scrapes_its_targets(scraping: Observation[Scraping], limits: EsperLimits) -> None:
    """Prometheus answers, scrapes Nissa, and each of its active targets is up and was scraped recently."""
    verify(
        around.job_configured(scraping.value),
        around.scraped(scraping.value, limits),
        around.brings_nissas_series(scraping.value),
    )


@pytest.mark.check(
    id="E-INF-3",
    severity="P3",
    profiles="smoke canary",
    unreachable="fail",
    runbook=SETUP,
    next_step="is the Grafana container running, is its disk full? Meanwhile there are no dashboards; Prometheus keeps the metrics",
)
def test_grafana_and_its_database_answer(grafana_health: Observation[GrafanaHealth]) -> None:
    """Grafana answers, and its database is ok."""
    verify(around.database_ok(grafana_health.value))


@pytest.mark.check(
    id="E-INF-3b",
    severity="P3",
    profiles="smoke canary",
    unreachable="fail",
    runbook=SETUP,
    next_step="GET /_cluster/allocation/explain; a slow Elasticsearch also slows Nissa, which waits for each index call (E-OON-5)",
)
def test_elasticsearch_has_its_shards(cluster_health: Observation[ClusterHealth]) -> None:
    """Elasticsearch answers, and its cluster misses neither a primary shard nor any replica that it has a node for."""
    verify(around.cluster_healthy(cluster_health.value))


@pytest.mark.check(
    id="E-INF-4",
    severity="P2",
    profiles="smoke",
    runbook=SETUP,
    next_step="CONFIG SET appendonly yes (and in the compose file, which ships with persistence off); keep maxmemory-policy noeviction",
)
def test_redis_will_not_silently_lose_the_bus(
    bus_durability: Observation[Durability], limits: EsperLimits
) -> None:
    """Redis keeps streams and groups over a restart, evicts no stream, and has memory to spare."""
    verify(criteria.durable(bus_durability.value), criteria.memory_is_safe(bus_durability.value, limits))

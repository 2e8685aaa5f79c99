"""Observations of Prometheus, Grafana and Elasticsearch."""

from __future__ import annotations

import asyncio

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import observation
from systems.esper.client import EsperClient
from systems.esper.infra.models import ClusterHealth, GrafanaHealth, Scraping

__all__ = ["cluster_health", "grafana_health", "scraping"]

_FIRST_SCRAPE = seconds(7)  # Prometheus looks for its targets five seconds after a start or a reload
_PAUSE_S = 0.25


@observation(of="prometheus", deadline=seconds(12))
async def scraping(esper: EsperClient) -> Scraping:
    """Prometheus's active targets: health and last scrape of each, and whether Nissa's series are scraped.

    Asked again for a while if it has no target at all, or has not scraped one yet.
    """
    clock = Deadline(_FIRST_SCRAPE)
    while True:
        reply = await esper.infra.scraping()
        waiting = any(t.health == "unknown" for t in reply.targets)
        if clock.passed or (reply.targets and not waiting):
            return reply
        await asyncio.sleep(_PAUSE_S)


@observation(of="grafana", deadline=seconds(3))
async def grafana_health(esper: EsperClient) -> GrafanaHealth:
    """Grafana's health page."""
    return await esper.infra.grafana()


@observation(of="elasticsearch", deadline=seconds(3))
async def cluster_health(esper: EsperClient) -> ClusterHealth:
    """Elasticsearch's cluster health."""
    return await esper.infra.elasticsearch()

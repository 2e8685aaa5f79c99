"""Read-only client of one BZZZ instance: one client per surface. It knows no twin."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify.probes.http import Http, open_http
from systems.bzzz.agents.client import AgentApiClient
from systems.bzzz.alerting.client import AlertmanagerClient
from systems.bzzz.backups.client import BackupsClient
from systems.bzzz.capacity.client import CapacityClient
from systems.bzzz.database.client import DatabaseClient
from systems.bzzz.host_client import HostsClient
from systems.bzzz.logs.client import LokiClient
from systems.bzzz.monitoring.client import PrometheusClient
from systems.bzzz.network.client import NodesClient
from systems.bzzz.services.client import open_services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from systems.bzzz.section import BzzzSection
    from systems.bzzz.services.client import ServicesClient

__all__ = ["BzzzClient", "open_bzzz"]


@dataclass(frozen=True, slots=True)
class BzzzClient:
    """Read-only access to a BZZZ instance: API, nodes, monitoring, service manager, hosts, database, backups."""

    section: BzzzSection
    http: Http
    services: ServicesClient
    api: AgentApiClient
    nodes: NodesClient
    prometheus: PrometheusClient
    capacity: CapacityClient
    hosts: HostsClient
    loki: LokiClient
    alertmanager: AlertmanagerClient
    database: DatabaseClient
    backups: BackupsClient


@asynccontextmanager
async def open_bzzz(section: BzzzSection) -> AsyncIterator[BzzzClient]:
    """Open the client of a section; nothing is sent before it is asked for."""
    async with open_http() as http:
        prometheus = PrometheusClient(http, section.prometheus)
        yield BzzzClient(
            section,
            http,
            services=open_services(section.services),
            prometheus=prometheus,
            capacity=CapacityClient(prometheus, section),
            hosts=HostsClient(section),
            loki=LokiClient(http, section.loki),
            api=AgentApiClient(http, section.api.url if section.api else None),
            nodes=NodesClient(http, section.nodes),
            alertmanager=AlertmanagerClient(http, section.alertmanager),
            database=DatabaseClient(section),
            backups=BackupsClient(section),
        )

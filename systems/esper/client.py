"""Client of one Esper-Lite instance, read-only: bus, Nissa, files, infrastructure."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify.probes.http import open_http
from systems.esper.bus.client import BusClient, open_bus
from systems.esper.forge.client import FilesClient
from systems.esper.infra.client import InfraClient
from systems.esper.nissa.client import NissaClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from systems.esper.section import EsperSection

__all__ = ["EsperClient", "open_esper"]


@dataclass(frozen=True, slots=True)
class EsperClient:
    """Read access to Esper-Lite's bus and files, its Nissa, and its Prometheus, Grafana and Elasticsearch."""

    section: EsperSection
    bus: BusClient
    nissa: NissaClient
    files: FilesClient
    infra: InfraClient


@asynccontextmanager
async def open_esper(section: EsperSection) -> AsyncIterator[EsperClient]:
    """Open the client of a section; nothing is sent before it is asked for."""
    async with open_bus(section) as bus, open_http() as http:
        nissa = NissaClient(http, section.nissa.url if section.nissa else None)
        yield EsperClient(section, bus, nissa, FilesClient(section.files), InfraClient(http, section))

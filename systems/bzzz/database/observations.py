"""Observations of the PostgreSQL server."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.bzzz.client import BzzzClient
from systems.bzzz.database.models import Archiving, Connections, DatabaseHealth, DatabaseServer

__all__ = ["database_connections", "database_health", "database_server", "wal_archiving"]


@observation(of="database", deadline=seconds(5), identity=True)
async def database_server(bzzz: BzzzClient) -> DatabaseServer:
    """The PostgreSQL server's identity, read at the start and at the end of the run."""
    return await bzzz.database.server()


@observation(of="database", deadline=seconds(5))
async def database_connections(bzzz: BzzzClient) -> Connections:
    """Connections in use, and their holders."""
    return await bzzz.database.connections()


@observation(of="database", deadline=seconds(8))
async def database_health(bzzz: BzzzClient) -> DatabaseHealth:
    """Size, tables, open transactions, checksums."""
    return await bzzz.database.health()


@observation(of="database", deadline=seconds(5))
async def wal_archiving(bzzz: BzzzClient) -> Archiving:
    """The archiver's settings and counters."""
    return await bzzz.database.archiving()

"""PostgreSQL: the server, its connections, its tables, its archiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.database import criteria as database
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Bracketed, Observation
    from systems.bzzz.database.models import Archiving, Connections, DatabaseHealth, DatabaseServer
    from systems.bzzz.limits import BzzzLimits

_SERVICE = '"System Health Critical (Alert: BZZZSystemHealthCritical)"'
_MAINTENANCE = '"Database Maintenance"'


@pytest.mark.check(
    id="B-DB-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    alert="BZZZSystemHealthCritical",
    runbook=_SERVICE,
    next_step="docker service ps bzzz-v2_postgres, and its log; check for a full disk, and for connections all in use (B-DB-1b)",
)
def test_the_database_answers_in_its_role(database_server: Observation[Bracketed[DatabaseServer]]) -> None:
    """PostgreSQL accepts connections, is one server from start to end, and is the primary or standby it should be."""
    server = database_server.value
    verify(database.same_server(server), database.in_its_role(server.last))


@pytest.mark.check(
    id="B-DB-1b",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZSystemHealthCritical",
    runbook=_SERVICE,
    next_step="their holders are named above; restart the service that leaks them, or raise max_connections",
)
def test_connections_are_left(database_connections: Observation[Connections], limits: BzzzLimits) -> None:
    """Fewer than nine of ten connections are in use."""
    verify(database.room_for_connections(database_connections.value, limits, worse=True))


@pytest.mark.check(
    id="B-DB-1c",
    severity="P2",
    profiles="smoke canary incident",
    runbook='"Capacity Planning"',
    next_step="their holders are named above; look at the trend in the canary's history",
)
def test_connections_stay_below_the_capacity_alert(
    database_connections: Observation[Connections], limits: BzzzLimits
) -> None:
    """Connections stay below the 70 % at which capacity is to be planned."""
    verify(database.room_for_connections(database_connections.value, limits, worse=False))


@pytest.mark.check(
    id="B-DB-2",
    severity="P2",
    profiles="canary maintenance",
    runbook=_MAINTENANCE,
    next_step="VACUUM ANALYZE (--act bzzz.vacuum_analyze, where the target arms it); first end the transaction that blocks it",
)
def test_tables_are_kept(database_health: Observation[DatabaseHealth], limits: BzzzLimits) -> None:
    """Size, dead tuples, statistics and open transactions are within their limits."""
    verify(database.well_kept(database_health.value, limits))


@pytest.mark.check(
    id="B-DB-2b",
    severity="P2",
    profiles="canary maintenance",
    runbook=_MAINTENANCE,
    next_step="keep the newest good dump and base backup apart; find the table (pg_amcheck), and check the disk below it",
)
def test_no_page_failed_its_checksum(database_health: Observation[DatabaseHealth]) -> None:
    """Data pages have checksums, and no page has failed its own."""
    verify(database.checksums_hold(database_health.value))


@pytest.mark.check(
    id="B-DB-3",
    severity="P1",
    profiles="canary maintenance",
    runbook='"Backup Schedule"',
    next_step="read archive_command's error in PostgreSQL's log; WAL that is not archived stays in pg_wal until the disk is full",
)
def test_wal_is_archived(wal_archiving: Observation[Archiving], limits: BzzzLimits) -> None:
    """WAL archiving is on, does something, has no failure after its last success, and keeps up."""
    verify(database.archived(wal_archiving.value, limits))

"""Read-only client of PostgreSQL: one read-only transaction per method, with a statement timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.postgres import reading
from systems.bzzz.database.models import (
    MOST_TABLES,
    MOST_TRANSACTIONS,
    Archiving,
    Connections,
    DatabaseHealth,
    DatabaseServer,
    LongTransaction,
    TableHealth,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import psycopg

    from systems.bzzz.database.target import DatabaseTarget
    from systems.bzzz.section import BzzzSection

__all__ = ["DatabaseClient"]

_MOST_SHOWN = 1000
_SERVER = (
    "select current_setting('server_version') as version, pg_postmaster_start_time() as started, "
    "pg_is_in_recovery() as recovering, has_function_privilege('pg_control_system()', 'execute') as may"
)
_CLUSTER = "select system_identifier::text as cluster from pg_control_system()"
_CONNECTIONS = (
    "select coalesce(usename, '?') || ' ' || coalesce(nullif(application_name, ''), '?') || ' ' || "
    "coalesce(state, '?') as holder, count(*) as number from pg_stat_activity where backend_type = 'client backend' "
    "group by 1 order by 2 desc, 1"
)
_MAY_CONNECT = (
    "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - "
    "coalesce(current_setting('reserved_connections', true)::int, 0) as may"
)
_DATABASE = (
    "select d.datname as name, clock_timestamp() as at, pg_database_size(d.oid) as size, "
    "current_setting('data_checksums') = 'on' as checksums, s.checksum_failures, "
    "s.checksum_last_failure as last_checksum_failure "
    "from pg_database d join pg_stat_database s on s.datid = d.oid where d.datname = current_database()"
)
_TABLES = (
    "select count(*) over () as counted, schemaname || '.' || relname as name, n_live_tup as live, n_dead_tup as dead, "  # noqa: S608 -- a number of our own
    "n_mod_since_analyze as changed, greatest(last_vacuum, last_autovacuum) as vacuumed, "
    "greatest(last_analyze, last_autoanalyze) as analyzed from pg_stat_user_tables order by n_dead_tup desc, name "
    f"limit {MOST_TABLES}"
)
_TRANSACTIONS = (
    "select count(*) over () as counted, pid, coalesce(usename, '?') || ' ' || coalesce(nullif(application_name, ''), '?') as who, "  # noqa: S608
    "coalesce(state, '?') as state, extract(epoch from clock_timestamp() - xact_start)::float8 as seconds "
    "from pg_stat_activity where xact_start is not null and backend_type = 'client backend' "
    f"and pid <> pg_backend_pid() order by xact_start limit {MOST_TRANSACTIONS}"
)
_SEES = "select pg_has_role('pg_read_all_stats', 'usage') as sees"
_ARCHIVING = (
    "select clock_timestamp() as at, current_setting('archive_mode') as mode, "
    "current_setting('archive_command') as command, coalesce(current_setting('archive_library', true), '') as library, "
    "archived_count as archived, coalesce(last_archived_wal, '') as last, last_archived_time as last_at, "
    "failed_count as failed, coalesce(last_failed_wal, '') as last_failed, last_failed_time as last_failed_at, "
    "pg_walfile_name(pg_current_wal_lsn()) as current, stats_reset as since, "
    "has_function_privilege('pg_ls_archive_statusdir()', 'execute') as may, "
    # For a login that may not call pg_ls_archive_statusdir(): segments finished since the last one archived.
    "case when last_archived_wal ~ '^[0-9A-F]{24}$' then "
    "greatest(0, floor(((pg_current_wal_lsn() - '0/0'::pg_lsn) - ((('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * "
    "4294967296) + (('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1) * "
    "pg_size_bytes(current_setting('wal_segment_size')))) / pg_size_bytes(current_setting('wal_segment_size'))))::bigint "
    "end as waiting, last_archived_time as waiting_since from pg_stat_archiver"
)
# A hanging archive_command counts no failure, and the last file archived may be no segment (.history, .backup).
_WAITING = (
    "select count(*) as waiting, min(modification) as waiting_since from pg_ls_archive_statusdir() "
    "where name like '%.ready'"
)


class DatabaseClient:
    """Reads the database server's state, without a lock or a write."""

    def __init__(self, section: BzzzSection) -> None:
        self._section = section

    @property
    def _target(self) -> DatabaseTarget:
        if self._section.database is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no database")
        return self._section.database

    def _reading(self) -> AbstractAsyncContextManager[psycopg.AsyncCursor[dict[str, Any]]]:
        target = self._target
        return reading(target.url, password=target.password_env, ca_file=target.ca_file)

    async def server(self) -> DatabaseServer:
        """Which server answers."""
        role = self._target.role
        async with self._reading() as cursor:
            row = await _one(cursor, _SERVER)
            cluster = (await _one(cursor, _CLUSTER))["cluster"] if row.pop("may") else ""
        return DatabaseServer(**row, cluster=cluster, role=role)

    async def connections(self) -> Connections:
        """Who holds how many connections."""
        async with self._reading() as cursor:
            await _refuse_without_pg_monitor(cursor)
            may = (await _one(cursor, _MAY_CONNECT))["may"]
            if may < 1:
                message = f"max_connections minus the reserved ones leaves {may} connections"
                raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
            rows = await _rows(cursor, _CONNECTIONS)
        holders = tuple((row["holder"], row["number"]) for row in rows)
        return Connections(used=sum(n for _, n in holders), limit=may, holders=holders[:20])

    async def health(self) -> DatabaseHealth:
        """Size, tables, transactions, checksums."""
        async with self._reading() as cursor:
            await _refuse_without_pg_monitor(cursor)
            database = await _one(cursor, _DATABASE)
            tables, of_tables = _counted(await _rows(cursor, _TABLES))
            open_, of_open = _counted(await _rows(cursor, _TRANSACTIONS))
        return DatabaseHealth(
            **database,
            tables=tuple(TableHealth(**row) for row in tables),
            tables_counted=of_tables,
            transactions=tuple(LongTransaction(**row) for row in open_),
            transactions_counted=of_open,
        )

    async def archiving(self) -> Archiving:
        """The archiver's settings and counters (pg_stat_archiver); a server in recovery writes no WAL."""
        async with self._reading() as cursor:
            if (await _one(cursor, _SERVER))["recovering"]:
                message = "the server is in recovery: it writes no WAL, its primary archives"
                raise Unobservable(ErrorKind.PRECONDITION, message)
            row = await _one(cursor, _ARCHIVING)
            if row.pop("may"):
                row |= await _one(cursor, _WAITING)
        since, archiving = row.pop("since"), Archiving(**row)
        if (
            not archiving.archived
            and not archiving.failed
            and archiving.mode != "off"
            and not archiving.does_nothing
        ):
            message = f"pg_stat_archiver counts neither success nor failure since {since or 'its start'}: a crash resets the counters; see B-BAK-1c"
            raise Unobservable(ErrorKind.EMPTY, message)
        return archiving


def _counted(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The rows without their column `counted`, and its value: the number of all rows on the server."""
    counts = [row.pop("counted") for row in rows]
    return rows, max(counts, default=0)


async def _refuse_without_pg_monitor(cursor: psycopg.AsyncCursor[dict[str, Any]]) -> None:
    """Raise Unobservable where the login sees only its own connections: they would be taken for all."""
    if not (await _one(cursor, _SEES))["sees"]:
        message = "the login sees only its own sessions; as a superuser: GRANT pg_monitor TO it"
        raise Unobservable(ErrorKind.DENIED, message)


async def _one(cursor: psycopg.AsyncCursor[dict[str, Any]], query: str) -> dict[str, Any]:
    rows = await _rows(cursor, query)
    if not rows:
        raise Unobservable(ErrorKind.EMPTY, "the server returned no row")
    return rows[0]


async def _rows(cursor: psycopg.AsyncCursor[dict[str, Any]], query: str) -> list[dict[str, Any]]:
    record_source(query)
    await cursor.execute(query.encode())
    return [
        {
            key: bounded_text(value, _MOST_SHOWN) if isinstance(value, str) else value
            for key, value in row.items()
        }
        for row in await cursor.fetchall()
    ]

"""Read-only access to BZZZ's PostgreSQL: one read-only transaction for each look, with a statement timeout."""

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
    # Of a login that may not list what waits: segments that were finished since the last one that was archived.
    "case when last_archived_wal ~ '^[0-9A-F]{24}$' then "
    "greatest(0, floor(((pg_current_wal_lsn() - '0/0'::pg_lsn) - ((('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * "
    "4294967296) + (('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1) * "
    "pg_size_bytes(current_setting('wal_segment_size')))) / pg_size_bytes(current_setting('wal_segment_size'))))::bigint "
    "end as waiting, last_archived_time as waiting_since from pg_stat_archiver"
)
# A hanging archive_command counts no failure, and the last file that was archived may be none that tells a place in WAL.
_WAITING = (
    "select count(*) as waiting, min(modification) as waiting_since from pg_ls_archive_statusdir() "
    "where name like '%.ready'"
)


class DatabaseClient:
    """What can be read of the database, without a lock or a write."""

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
            await _seeing(cursor)
            may = (await _one(cursor, _MAY_CONNECT))["may"]
            if may < 1:
                told = f"the server says that ordinary users may have {may} connections"
                raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told)
            rows = await _rows(cursor, _CONNECTIONS)
        holders = tuple((row["holder"], row["number"]) for row in rows)
        return Connections(used=sum(n for _, n in holders), limit=may, holders=holders[:20])

    async def health(self) -> DatabaseHealth:
        """Size, tables, transactions, checksums."""
        async with self._reading() as cursor:
            await _seeing(cursor)
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
        """How WAL is archived; a server in recovery writes none."""
        async with self._reading() as cursor:
            if (await _one(cursor, _SERVER))["recovering"]:
                told = "the server is in recovery: it writes no WAL of its own; archiving is its primary's"
                raise Unobservable(ErrorKind.PRECONDITION, told)
            row = await _one(cursor, _ARCHIVING)
            if row.pop("may"):
                row |= await _one(cursor, _WAITING)
        since, seen = row.pop("since"), Archiving(**row)
        if not seen.archived and not seen.failed and seen.mode != "off" and not seen.does_nothing:
            told = f"the archiver has counted neither success nor failure since {since or 'its beginning'}: a crash sets counters back; see B-BAK-1c"
            raise Unobservable(ErrorKind.EMPTY, told)
        return seen


def _counted(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The rows without the server's count of them all, and that."""
    counts = [row.pop("counted") for row in rows]
    return rows, max(counts, default=0)


async def _seeing(cursor: psycopg.AsyncCursor[dict[str, Any]]) -> None:
    """Raise Unobservable where the login sees its own connections only: they would be taken for all."""
    if not (await _one(cursor, _SEES))["sees"]:
        told = "the login sees its own sessions only; as a superuser: GRANT pg_monitor TO it"
        raise Unobservable(ErrorKind.DENIED, told)


async def _one(cursor: psycopg.AsyncCursor[dict[str, Any]], query: str) -> dict[str, Any]:
    rows = await _rows(cursor, query)
    if not rows:
        raise Unobservable(ErrorKind.EMPTY, "the server gave no row")
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

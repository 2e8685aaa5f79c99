"""Client of activity-core's PostgreSQL: one read-only transaction for each observation, with a statement timeout."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.postgres import reading
from systems.statehub.activity.models import ActivityServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta

    import psycopg

    from systems.statehub.section import StateHubSection

__all__ = ["ActivityClient"]

_LARGEST = 65536  # characters of one sweep result


class ActivityClient:
    """Reads definitions and runs, without locks or writes."""

    def __init__(self, section: StateHubSection) -> None:
        self._section = section

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[psycopg.AsyncCursor[dict[str, Any]]]:
        target = self._section.activity
        if target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no activity")
        try:
            async with reading(target.url, password=target.password_env, ca_file=target.ca_file) as cursor:
                yield cursor
        except Unobservable as failed:
            if failed.kind is not ErrorKind.UNEXPECTED_REPLY:
                raise
            hint = "set the names of tables and columns in the target: [statehub.tables], [statehub.columns]"
            raise Unobservable(failed.kind, f"{failed.seen}; {hint}") from None

    async def server(self) -> ActivityServer:
        """Version, identity, start time and clock of the server, and whether it is a standby."""
        query = (
            "select current_setting('server_version') as version, pg_postmaster_start_time() as started, "
            "clock_timestamp() as clock, "
            # A setting of our own role does not apply to others.
            "(select setting = 'on' and source not in ('user', 'database user', 'client', 'session') from pg_settings "
            "where name = 'default_transaction_read_only') as refuses, "
            "has_function_privilege('pg_control_system()', 'execute') as may"
        )
        async with self._reading() as cursor:
            record_source(query)
            before = datetime.now(UTC)
            await cursor.execute(query)
            row = await cursor.fetchone() or {}
            ahead = _ahead(row["clock"], before)
            replay = await self._replay(cursor)
            cluster = ""
            if row["may"]:
                record_source("select system_identifier from pg_control_system()")
                await cursor.execute("select system_identifier from pg_control_system()")
                cluster = str((await cursor.fetchone() or {}).get("system_identifier", ""))
        return ActivityServer(
            version=row["version"],
            cluster=cluster,
            started=row["started"],
            standby=replay["standby"],
            behind=replay["behind"],
            refuses_writes=row["refuses"],
            ahead=ahead,
        )

    async def ahead(self) -> timedelta:
        """How far the server's clock is ahead of ours."""
        return (await self.server()).ahead

    async def definitions(self) -> list[dict[str, Any]]:
        """Rows with the definition's id or name (at most three): id, name, trigger, misfire, enabled, changed."""
        names, promised = self._section.columns, self._section.schedule
        changed = sql.Identifier(names.changed) if names.changed else sql.SQL("null::timestamptz")
        query = sql.SQL(
            "select {id}::text as id, {name} as name, to_jsonb({trigger}) as trigger, {misfire}::text as misfire, "
            "{enabled} as enabled, {changed} as changed from {table} where {id}::text = %s or {name} = %s limit 3"
        ).format(
            id=sql.Identifier(names.definition),
            name=sql.Identifier(names.name),
            trigger=sql.Identifier(names.trigger),
            misfire=sql.Identifier(names.misfire),
            enabled=sql.Identifier(names.enabled),
            changed=changed,
            table=_table(self._section.tables.definitions),
        )
        async with self._reading() as cursor:
            return await self._rows(cursor, query, [promised.id, promised.name])

    async def runs(self, since: datetime, most: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Runs of the definition since then, at most `most`; and the server's clock, standby state and replay time."""
        names = self._section.columns
        query = sql.SQL(
            "select {run}::text as run, {scheduled} as scheduled, {fired} as fired, "
            "case when length(result::text) <= {largest} then result end as result, length(result::text) as size "
            "from (select *, {snapshot}->%s as result from {table}) as runs "
            "where {definition} = %s and coalesce({scheduled}, {fired}) >= %s "
            "order by coalesce({scheduled}, {fired}) desc, {fired} desc limit %s"
        ).format(
            run=sql.Identifier(names.run),
            scheduled=sql.Identifier(names.scheduled),
            fired=sql.Identifier(names.fired),
            largest=sql.Literal(_LARGEST),
            snapshot=sql.Identifier(names.snapshot),
            table=_table(self._section.tables.runs),
            definition=sql.Identifier(names.run_definition),
        )
        promised = self._section.schedule
        clock = "select clock_timestamp() as clock"
        async with self._reading() as cursor:
            before = datetime.now(UTC)
            record_source(clock)
            await cursor.execute(clock)
            server = dict(await cursor.fetchone() or {})
            server["ahead"] = _ahead(server["clock"], before)
            server |= await self._replay(cursor)
            rows = await self._rows(cursor, query, [promised.event_type, promised.id, since, most])
        return rows, server

    async def _replay(self, cursor: psycopg.AsyncCursor[dict[str, Any]]) -> dict[str, Any]:
        """Whether it is a standby, and at most how far behind: 0 if it has replayed everything that a live connection to its
        primary delivered, else the age of the last replayed transaction.
        """
        query = (
            "select pg_is_in_recovery() as standby, case when not pg_is_in_recovery() or "
            "(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver)) "
            "then interval '0' else clock_timestamp() - pg_last_xact_replay_timestamp() end as behind"
        )
        record_source(query)
        await cursor.execute(query)
        return dict(await cursor.fetchone() or {})

    async def _rows(
        self, cursor: psycopg.AsyncCursor[dict[str, Any]], query: sql.Composed, values: list[Any]
    ) -> list[dict[str, Any]]:
        record_source(f"{query.as_string(cursor)} -- {', '.join(map(str, values))}")
        await cursor.execute(query, values)
        return await cursor.fetchall()


def _table(name: str) -> sql.Composable:
    return sql.Identifier(*name.split("."))


def _ahead(clock: datetime, before: datetime) -> timedelta:
    """How far the server's clock is ahead of ours; zero if it lies within the duration of the query."""
    after = datetime.now(UTC)
    if before <= clock <= after:
        return seconds(0)
    return clock - after if clock > after else clock - before

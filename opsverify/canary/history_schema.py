"""The history's tables, and the steps that bring an older history up to them with its rows kept.

Plain SQL that SQLite and PostgreSQL both take, run once each and never edited afterwards: alembic would bring a folder, a
configuration and a command for what is a list here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Dialect,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

__all__ = ["HOLDERS", "NOTIFICATIONS", "OUTCOMES", "RUNS", "STATUSES", "VERSION", "SchemaTooNew", "migrate"]


class SchemaTooNew(Exception):
    """The history was written by a newer version of this program. The message says which."""


class _Instant(TypeDecorator[datetime]):
    """An instant as ISO 8601 text in UTC: sorts by time, keeps its zone, and reads the same in both engines."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """To text."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """From text."""
        return None if value is None else datetime.fromisoformat(value)


_META = MetaData()
_VERSION = Table("opsverify_history", _META, Column("version", Integer, nullable=False))
RUNS = Table(
    "opsverify_runs",
    _META,
    Column("id", Text, primary_key=True),
    Column("target_key", Text),
    Column("target", Text),
    Column("profile", Text),
    Column("started", _Instant),
    Column("finished", _Instant),
    Column("exit_status", Integer),
    Column("looked", Boolean),
    Column("host", Text),
    Column("opsverify", Text),
    Column("identities", Text),
)
OUTCOMES = Table(
    "opsverify_outcomes",
    _META,
    Column("run_id", Text, primary_key=True),
    Column("check_id", Text, primary_key=True),
    Column("target_key", Text),
    Column("system", Text),
    Column("subsystem", Text),
    Column("severity", Text),
    Column("verdict", Text),
    Column("reason", Text),
    Column("confirmed", Boolean),
    Column("at", _Instant),
)
STATUSES = Table(
    "opsverify_standings",
    _META,
    Column("target_key", Text, primary_key=True),
    Column("check_id", Text, primary_key=True),
    Column("settled", Text),
    Column("flapping", Boolean),
    Column("since", _Instant),
    Column("failures", Integer),
    Column("successes", Integer),
    Column("unknowns", Integer),
    Column("recent", Text),
    Column("frozen", Boolean),
    Column("red_since", _Instant),
)
NOTIFICATIONS = Table(
    "opsverify_told",
    _META,
    Column("target_key", Text, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("check_id", Text, primary_key=True),
    Column("state", Text),
    Column("at", _Instant),
)
HOLDERS = Table(
    "opsverify_holders",
    _META,
    Column("target_key", Text, primary_key=True),
    Column("run_id", Text),
    Column("pid", Integer),
    Column("host", Text),
    Column("since", _Instant),
)

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE opsverify_runs (id TEXT NOT NULL PRIMARY KEY, target_key TEXT NOT NULL, target TEXT NOT NULL,
        profile TEXT NOT NULL, started TEXT NOT NULL, finished TEXT NOT NULL, exit_status INTEGER NOT NULL,
        looked BOOLEAN NOT NULL, host TEXT NOT NULL, opsverify TEXT NOT NULL, identities TEXT NOT NULL)""",
        "CREATE INDEX opsverify_runs_by_time ON opsverify_runs (target_key, finished)",
        """CREATE TABLE opsverify_outcomes (run_id TEXT NOT NULL, check_id TEXT NOT NULL, target_key TEXT NOT NULL,
        system TEXT NOT NULL, subsystem TEXT NOT NULL, severity TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
        confirmed BOOLEAN NOT NULL, at TEXT NOT NULL, PRIMARY KEY (run_id, check_id))""",
        "CREATE INDEX opsverify_outcomes_by_time ON opsverify_outcomes (target_key, at)",
        """CREATE TABLE opsverify_standings (target_key TEXT NOT NULL, check_id TEXT NOT NULL, settled TEXT NOT NULL,
        flapping BOOLEAN NOT NULL, since TEXT NOT NULL, failures INTEGER NOT NULL, successes INTEGER NOT NULL,
        unknowns INTEGER NOT NULL, recent TEXT NOT NULL, frozen BOOLEAN NOT NULL, PRIMARY KEY (target_key, check_id))""",
    ),
    (
        """CREATE TABLE opsverify_told (target_key TEXT NOT NULL, sink TEXT NOT NULL, check_id TEXT NOT NULL,
        state TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (target_key, sink, check_id))""",
        """CREATE TABLE opsverify_holders (target_key TEXT NOT NULL PRIMARY KEY, run_id TEXT NOT NULL,
        pid INTEGER NOT NULL, host TEXT NOT NULL, since TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE opsverify_standings ADD COLUMN red_since TEXT",
        # Red at least since then; the first failure was not kept.
        """UPDATE opsverify_standings SET red_since = since
        WHERE settled = 'DOWN' OR (settled = 'BLIND' AND failures > 0)""",
    ),
)
VERSION = len(_MIGRATIONS)
"""The version that this program reads and writes."""


def migrate(connection: Connection, to: int = VERSION) -> None:
    """Bring the history behind `connection` to version `to`, inside the caller's transaction.

    Raises:
        SchemaTooNew: it is newer already.
    """
    if connection.dialect.name == "postgresql":  # two machines at once; SQLite has the whole file to itself
        connection.execute(text("SELECT pg_advisory_xact_lock(7016996765293437281)"))
    if not inspect(connection).has_table(_VERSION.name):
        connection.execute(text("CREATE TABLE opsverify_history (version INTEGER NOT NULL)"))
        connection.execute(_VERSION.insert().values(version=0))
    version = connection.execute(select(_VERSION.c.version)).scalar_one()
    if version > VERSION:
        msg = f"has schema version {version}, written by a newer opsverify; this one reads up to {VERSION}"
        raise SchemaTooNew(msg)
    for statements in _MIGRATIONS[version:to]:
        for statement in statements:
            connection.execute(text(statement))
    if version < to:
        connection.execute(_VERSION.update().values(version=to))

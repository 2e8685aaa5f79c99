"""The history of canary runs: outcomes, states of checks, notifications sent, and the lock across machines."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, create_engine, delete, event, func, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from opsverify.canary.history_schema import (
    HOLDERS,
    NOTIFICATIONS,
    OUTCOMES,
    RUNS,
    STATUSES,
    SchemaTooNew,
    migrate,
)
from opsverify.model.check_state import CheckStatus, LastNotified, State
from opsverify.model.verdict import Verdict
from opsverify.run.lock import TargetBusy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import Table

    from opsverify.model.check_state import CheckSample

__all__ = ["History", "HistoryError", "JudgedCheck", "PastRun"]

_WAIT_S = 10
_MOST_COUNTED = 100
_PATIENCE = {
    "connect_timeout": _WAIT_S,
    "options": f"-c statement_timeout={_WAIT_S * 1000} -c application_name=opsverify",
    # A machine that is gone must not hold a target's lock for hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


class HistoryError(Exception):
    """The history cannot be read or written. The message says where and why; `newer`: a newer program wrote it."""

    def __init__(self, message: str, *, newer: bool = False) -> None:
        super().__init__(message)
        self.newer = newer


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as the history stores it. `looked` is false where it found the target busy; `identities` by surface."""

    id: str
    target: str
    profile: str
    started: datetime
    finished: datetime
    exit_status: int
    looked: bool
    opsverify: str
    identities: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JudgedCheck:
    """One check's outcome in a run."""

    check: str
    system: str
    subsystem: str
    reason: str
    sample: CheckSample


class History:
    """One history of one target (`key`), in an SQLite file or a PostgreSQL database.

    Its methods raise HistoryError; so does making one of an address that is none.
    """

    def __init__(self, place: Path | str, key: str) -> None:
        self._key = key
        self.shared = isinstance(place, str)
        """Whether other machines use it too."""
        self._lock_connection: Connection | None = None
        if isinstance(place, str):
            with _HistoryErrors("address"):
                url = make_url(place).set(drivername="postgresql+psycopg")
            self.where = f"{url.host or ''}/{url.database or ''}"
            # One connection each: the lock's must stay open, all others end at once.
            self._engine = create_engine(url, poolclass=NullPool, connect_args=_PATIENCE)
        else:
            self.where = str(place)
            self._engine = create_engine(
                f"sqlite:///{place}", poolclass=NullPool, connect_args={"timeout": _WAIT_S}
            )
            event.listen(self._engine, "connect", _leave_transactions_to_us)
            event.listen(self._engine, "begin", _begin)

    def open(self) -> None:
        """Make or migrate the tables. Raises HistoryError."""
        with _HistoryErrors(self.where), self._engine.begin() as connection:
            migrate(connection)

    def runs_since_look(self) -> int:
        """How many runs in a row, up to now, did not look at the target."""
        newest = select(RUNS.c.looked).where(RUNS.c.target_key == self._key)
        query = newest.order_by(RUNS.c.finished.desc()).limit(_MOST_COUNTED)
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            return len(list(takewhile(lambda looked: not looked, connection.scalars(query))))

    def last_look(self) -> PastRun | None:
        """The newest run that looked at the target."""
        query = select(RUNS).where(RUNS.c.target_key == self._key, RUNS.c.looked)
        query = query.order_by(RUNS.c.finished.desc()).limit(1)
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        fields = {name: getattr(row, name) for name in PastRun.__slots__}
        return PastRun(**{**fields, "identities": json.loads(row.identities)})

    def statuses(self) -> dict[str, CheckStatus]:
        """The status of each check after the newest run, by its id."""
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            rows = connection.execute(select(STATUSES).where(STATUSES.c.target_key == self._key)).all()
        return {
            row.check_id: CheckStatus(
                since=row.since,
                settled=State(row.settled),
                flapping=row.flapping,
                failures=row.failures,
                successes=row.successes,
                unknowns=row.unknowns,
                recent=row.recent,
                frozen=row.frozen,
                red_since=row.red_since,
            )
            for row in rows
        }

    def record(
        self,
        run: PastRun,
        judged: Iterable[JudgedCheck],
        statuses: Mapping[str, CheckStatus],
        keep: timedelta,
    ) -> None:
        """Store a run in one transaction, and delete runs older than `keep`."""
        outcomes = [
            {
                "run_id": run.id,
                "check_id": one.check,
                "target_key": self._key,
                "system": one.system,
                "subsystem": one.subsystem,
                "severity": one.sample.severity.value,
                "verdict": one.sample.verdict.value,
                "reason": one.reason,
                "confirmed": one.sample.confirmed,
                "at": one.sample.at,
            }
            for one in judged
        ]
        rows = [
            {
                "target_key": self._key,
                "check_id": check,
                "settled": each.settled.value,
                **{name: getattr(each, name) for name in CheckStatus.__slots__ if name != "settled"},
            }
            for check, each in statuses.items()
        ]
        fields = {name: getattr(run, name) for name in PastRun.__slots__}
        fields |= {"identities": json.dumps(dict(run.identities), sort_keys=True)}
        with _HistoryErrors(self.where), self._engine.begin() as connection:
            connection.execute(
                RUNS.insert().values(**fields, target_key=self._key, host=socket.gethostname())
            )
            if outcomes:
                connection.execute(OUTCOMES.insert(), outcomes)
            self._replace(connection, STATUSES, rows)
            for table, at in ((OUTCOMES, OUTCOMES.c.at), (RUNS, RUNS.c.finished)):
                old = delete(table).where(table.c.target_key == self._key, at < run.finished - keep)
                connection.execute(old)

    def counts(self, since: datetime) -> dict[tuple[str, str], dict[Verdict, int]]:
        """How often each verdict was given since then, by system and subsystem."""
        query = (
            select(OUTCOMES.c.system, OUTCOMES.c.subsystem, OUTCOMES.c.verdict, func.count())
            .where(OUTCOMES.c.target_key == self._key, OUTCOMES.c.at >= since)
            .group_by(OUTCOMES.c.system, OUTCOMES.c.subsystem, OUTCOMES.c.verdict)
        )
        counts: dict[tuple[str, str], dict[Verdict, int]] = {}
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            for system, subsystem, verdict, number in connection.execute(query):
                counts.setdefault((system, subsystem), {})[Verdict(verdict)] = number
        return counts

    def trends(self, runs: int) -> dict[str, list[tuple[datetime, Verdict]]]:
        """Each check's verdicts in the last `runs` runs that looked, oldest first, by its id."""
        newest = select(RUNS.c.id).where(RUNS.c.target_key == self._key, RUNS.c.looked)
        newest = newest.order_by(RUNS.c.finished.desc()).limit(runs)
        query = select(OUTCOMES.c.check_id, OUTCOMES.c.at, OUTCOMES.c.verdict)
        query = query.where(OUTCOMES.c.run_id.in_(newest)).order_by(OUTCOMES.c.at)
        trends: dict[str, list[tuple[datetime, Verdict]]] = {}
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            for check, at, verdict in connection.execute(query):
                trends.setdefault(check, []).append((at, Verdict(verdict)))
        return trends

    def last_notified(self, sink: str) -> dict[str, LastNotified]:
        """The state of each check that `sink` was last notified of."""
        query = select(NOTIFICATIONS).where(
            NOTIFICATIONS.c.target_key == self._key, NOTIFICATIONS.c.sink == sink
        )
        with _HistoryErrors(self.where), self._engine.connect() as connection:
            return {row.check_id: LastNotified(State(row.state), row.at) for row in connection.execute(query)}

    def record_notified(self, sink: str, notified: Mapping[str, LastNotified]) -> None:
        """Record what `sink` has just been notified of."""
        rows = [
            {
                "target_key": self._key,
                "sink": sink,
                "check_id": check,
                "state": each.state.value,
                "at": each.at,
            }
            for check, each in notified.items()
        ]
        with _HistoryErrors(self.where), self._engine.begin() as connection:
            self._replace(connection, NOTIFICATIONS, rows)

    @staticmethod
    def _replace(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        old = delete(table).where(*(table.c[key] == bindparam(f"of_{key}") for key in keys))
        connection.execute(old, [{f"of_{key}": row[key] for key in keys} for row in rows])
        connection.execute(table.insert(), rows)

    def hold(self, run_id: str) -> None:
        """Take the target's lock across machines for this run; does nothing where the history is one machine's.

        The database frees it when the connection ends, however the process ended.

        Raises:
            TargetBusy: another machine's run holds it.
        """
        if not self.shared:
            return
        with _HistoryErrors(self.where):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not connection.execute(select(func.pg_try_advisory_lock(self._number()))).scalar_one():
                query = select(HOLDERS).where(HOLDERS.c.target_key == self._key)
                holder = connection.execute(query).one_or_none()
                connection.close()
                who = (
                    f"run {holder.run_id} (pid {holder.pid} on {holder.host}) since {holder.since:%Y-%m-%dT%H:%M:%S%z}"
                    if holder
                    else "a run that has not written its id yet"
                )
                msg = f"held by {who}"
                raise TargetBusy(msg)
            self._lock_connection = connection
            row = {
                "target_key": self._key,
                "run_id": run_id,
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC),
            }
            self._replace(connection, HOLDERS, [row])

    def release(self) -> None:
        """Release the lock, and close."""
        held, self._lock_connection = self._lock_connection, None
        with _HistoryErrors(self.where):
            if held is not None:
                held.execute(delete(HOLDERS).where(HOLDERS.c.target_key == self._key))
                held.close()  # without a pool this ends the session, and its lock with it
            self._engine.dispose()

    def _number(self) -> int:
        digest = hashlib.sha256(f"opsverify:{self._key}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


class _HistoryErrors:
    """Turns errors of the database into HistoryError, without statements and parameters."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SchemaTooNew):
            msg = f"history {self._where}: {error}"
            raise HistoryError(msg, newer=True) from None
        if isinstance(error, SQLAlchemyError | ValueError):
            cause = getattr(error, "orig", None) or error
            msg = f"history {self._where}: {type(cause).__name__}: {' '.join(str(cause).split())[:400]}"
            raise HistoryError(msg) from None


# Left to itself Python's driver puts no transaction around the statements that make tables.
def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")

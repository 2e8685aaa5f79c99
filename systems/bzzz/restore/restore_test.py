"""Trial restore of the newest dump into a scratch server: timed, queried, and removed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from opsverify.model.deadline import Deadline
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.servers.server import ServerFailed
from systems.bzzz.restore.accounting import rows_of
from systems.bzzz.restore.models import Restored, ValidationResult
from systems.bzzz.restore.newest_dump import Backups
from systems.bzzz.restore.record import RestoreRecord, write_record
from systems.bzzz.restore.restore import Into, restore_dump
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason
from systems.bzzz.restore.roles import make_roles, roles_of
from systems.bzzz.restore.scratch_server import EMPTY_CLUSTER, refuse_without_space, scratch_server
from systems.bzzz.restore.stream import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event

    from opsverify.servers.guard import Guard
    from opsverify.servers.postgres import PostgresServer
    from systems.bzzz.restore.restore import Loaded
    from systems.bzzz.restore.target import ValidationQuery
    from systems.bzzz.section import BzzzSection

__all__ = ["restore_newest"]

_DATABASE = "restored"
_ORIGINS = ("local", "wheel")
_STATEMENT = timedelta(minutes=10)
_INDEXES = 1.5
"""Size of tables with their indexes, as a rough multiple of the uncompressed dump."""
_UNFINISHED = {
    RestoreErrorReason.EMPTY.value,
    RestoreErrorReason.TRUNCATED.value,
    RestoreErrorReason.CORRUPT.value,
}
_NOT_THE_DUMPS_FAULT = {
    RestoreErrorReason.DISK_FULL,
    RestoreErrorReason.SERVER_LOST,
    RestoreErrorReason.OTHER_VERSION,
}


def restore_newest(section: BzzzSection, within: timedelta, given_up: Event) -> Restored:
    """Restore the newest dump into a scratch server, query it, and remove everything. Blocks.

    A refused dump and its reason are part of the result. A successful restore is recorded.

    Raises:
        Unobservable: the dump could not be judged: it is missing, is being written, or this machine cannot restore it.
    """
    target = section.backups
    if target is None:
        raise Unobservable(ErrorKind.PRECONDITION, "the target configures no backups")
    clock, started = Deadline(within), time.monotonic()
    backups = Backups(target)
    inside = Path(target.restoring.scratch) if target.restoring.scratch else None
    try:
        with scratch_server(_ORIGINS, inside) as (server, guard):
            bounds = Bounds(clock, server.data, given_up=given_up)
            restored = _restored(backups, target.validation, (server, guard, bounds))
    except ServerFailed as failed:
        raise Unobservable(ErrorKind.NOT_STARTED, str(failed)) from None
    except OSError as error:  # the scratch folder, or the dump where it lies on this machine
        raise Unobservable(ErrorKind.PRECONDITION, f"{error.filename}: {error.strerror}") from None
    backups.refuse_if_being_written(damaged=restored.refused in _UNFINISHED)
    took = time.monotonic() - started
    whole = not restored.refused and bool(restored.rows) and all(v.met for v in restored.validated.values())
    record = ""
    if whole:
        done = RestoreRecord(
            at=datetime.now(UTC),
            dump=restored.dump,
            written=restored.written,
            took_s=took,
            tables=len(restored.tables),
            rows=restored.rows,
        )
        record = str(write_record(section, done))
    return restored.model_copy(update={"took_s": took, "record": record})


def _restored(
    backups: Backups, validation: Mapping[str, ValidationQuery], scratch: tuple[PostgresServer, Guard, Bounds]
) -> Restored:
    server, guard, bounds = scratch
    newest, (roles_file, roles_text) = backups.newest, backups.roles()
    restored = Restored(
        dump=newest.path,
        written=newest.named,
        size=newest.size,
        server=server.provided.version,
        took_s=0.0,
        refused="",
        roles_file=roles_file,
        tables={},
        asked=tuple(validation),
        validated={},
    )
    if newest.size == 0:
        return restored.model_copy(
            update={"refused": RestoreErrorReason.EMPTY.value, "told": "the file has 0 bytes"}
        )
    into = Into(
        server.url,
        programs=server.bin,
        environment=guard.environment(),
        log=server.data.parent / "postgresql.log",
    )
    try:
        refuse_without_space(server.data, int(backups.unpacked * _INDEXES) + EMPTY_CLUSTER, bounds.leave_free)
        with psycopg.connect(server.url, autocommit=True) as connection:
            made = make_roles(connection, *roles_of(roles_text))
        loaded = restore_dump(
            backups.source(bounds.clock.remaining), into, _DATABASE, bounds, compressed=backups.compressed
        )
    except NotRestored as refused:
        if refused.reason in _NOT_THE_DUMPS_FAULT:
            raise Unobservable(ErrorKind.PRECONDITION, f"not restored here: {refused}") from None
        return restored.model_copy(update={"refused": refused.reason.value, "told": refused.message})
    return _with_contents(restored, loaded, made, server, validation)


def _with_contents(
    restored: Restored,
    loaded: Loaded,
    made: tuple[str, ...],
    server: PostgresServer,
    validation: Mapping[str, ValidationQuery],
) -> Restored:
    url = urlunsplit(urlsplit(server.url)._replace(path=f"/{_DATABASE}"))
    return restored.model_copy(
        update={
            "loaded_s": loaded.took,
            "loaded_size": loaded.size,
            "major": loaded.major,
            "roles": made,
            "tables": rows_of(url, _STATEMENT),
            "validated": {name: _validated(url, asks) for name, asks in validation.items()},
        }
    )


def _validated(url: str, asks: ValidationQuery) -> ValidationResult:
    """Run a validation query of the target in a read-only transaction."""
    result = ValidationResult(query=asks.query, at_least=asks.at_least)
    try:
        with psycopg.connect(url, application_name="opsverify", connect_timeout=10) as connection:
            connection.read_only = True
            connection.execute("set statement_timeout to '120s'")
            row = connection.execute(asks.query.encode()).fetchone()
    except psycopg.Error as error:
        return result.model_copy(update={"trouble": " ".join(str(error).split())[:300]})
    gave: Any = row[0] if row else None
    try:
        return result.model_copy(update={"found": float(gave)})
    except (TypeError, ValueError):
        return result.model_copy(update={"trouble": f"returned {str(gave)[:60]!r}, which is no number"})

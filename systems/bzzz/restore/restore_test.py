"""The restore check of live backups: the newest dump into a scratch server, looked into, timed, and thrown away."""

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
"""Tables with their indexes take so much of the uncompressed dump, roughly."""
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
    """Restore the newest dump into a scratch server of its own, look into it, and remove everything. Blocks.

    What was refused, and why, is part of the result. A restore that went well is written down.

    Raises:
        Unobservable: nothing can be said of the dump: it is not there, is being written, or this machine is not able.
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
            seen = _restored(backups, target.validation, (server, guard, bounds))
    except ServerFailed as failed:
        raise Unobservable(ErrorKind.NOT_STARTED, str(failed)) from None
    except OSError as error:  # the scratch folder, or the dump where it lies on this machine
        raise Unobservable(ErrorKind.PRECONDITION, f"{error.filename}: {error.strerror}") from None
    backups.refuse_if_being_written(damaged=seen.refused in _UNFINISHED)
    took = time.monotonic() - started
    whole = not seen.refused and bool(seen.rows) and all(v.met for v in seen.validated.values())
    record = ""
    if whole:
        done = RestoreRecord(
            at=datetime.now(UTC),
            dump=seen.dump,
            written=seen.written,
            took_s=took,
            tables=len(seen.tables),
            rows=seen.rows,
        )
        record = str(write_record(section, done))
    return seen.model_copy(update={"took_s": took, "record": record})


def _restored(
    backups: Backups, validation: Mapping[str, ValidationQuery], scratch: tuple[PostgresServer, Guard, Bounds]
) -> Restored:
    server, guard, bounds = scratch
    newest, (roles_file, roles_text) = backups.newest, backups.roles()
    seen = Restored(
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
        return seen.model_copy(
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
        return seen.model_copy(update={"refused": refused.reason.value, "told": refused.told})
    return _looked_into(seen, loaded, made, server, validation)


def _looked_into(
    seen: Restored,
    loaded: Loaded,
    made: tuple[str, ...],
    server: PostgresServer,
    validation: Mapping[str, ValidationQuery],
) -> Restored:
    url = urlunsplit(urlsplit(server.url)._replace(path=f"/{_DATABASE}"))
    return seen.model_copy(
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
    """What a query of the target gives, in a transaction that can only read."""
    seen = ValidationResult(query=asks.query, at_least=asks.at_least)
    try:
        with psycopg.connect(url, application_name="opsverify", connect_timeout=10) as connection:
            connection.read_only = True
            connection.execute("set statement_timeout to '120s'")
            row = connection.execute(asks.query.encode()).fetchone()
    except psycopg.Error as error:
        return seen.model_copy(update={"trouble": " ".join(str(error).split())[:300]})
    gave: Any = row[0] if row else None
    try:
        return seen.model_copy(update={"found": float(gave)})
    except (TypeError, ValueError):
        return seen.model_copy(update={"trouble": f"gave {str(gave)[:60]!r}, which is no number"})

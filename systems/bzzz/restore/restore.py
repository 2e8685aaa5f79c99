"""Restore of a dump into an empty database: streamed, in one transaction that commits only after the dump's end was read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from systems.bzzz.restore.dump import HEAD, read_head, refuse_unless_fit
from systems.bzzz.restore.loader import load
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason, meaning
from systems.bzzz.restore.stream import stream_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.bzzz.restore.dump import Head
    from systems.bzzz.restore.stream import Bounds, Source

__all__ = ["Into", "Loaded", "restore_dump"]

_QUIET = "-c client_min_messages=error"
_FULL = ("No space left on device", "Disk quota exceeded")
_END_OF_LOG = 65536


@dataclass(frozen=True, slots=True)
class Into:
    """The server that a dump is restored into: its URL as a superuser (with the password), the folder of its programs, the
    environment for them, and its log.
    """

    url: str
    programs: Path
    environment: Mapping[str, str]
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded dump: bytes (uncompressed), seconds, and the major version it was dumped from (0: unknown)."""

    size: int
    took: float
    major: int


def restore_dump(
    source: Source,
    into: Into,
    database: str,
    bounds: Bounds,
    *,
    compressed: bool,
    owner: str = "",
) -> Loaded:
    """Create the database and restore the dump into it, all or nothing.

    Raises:
        NotRestored: nothing of the dump was committed; why.
        Unobservable: nothing was committed, since the dump was not transferred completely.
        OSError: the file cannot be opened.
    """
    began = time.monotonic()
    environment = {**into.environment, "LC_ALL": "C", "PGOPTIONS": _QUIET}
    if isinstance(source, Path) and source.stat().st_size == 0:
        raise NotRestored(RestoreErrorReason.EMPTY, "the file has 0 bytes")
    try:
        with stream_of(source, compressed=compressed, environment=environment) as dump:
            first = dump.read_first(HEAD, bounds)
            if len(first) < HEAD:
                dump.ended_well()
            head = read_head(first)
            with psycopg.connect(into.url, autocommit=True) as connection:
                refuse_unless_fit(head, connection.info.server_version // 10000)
                _make_database(connection, database, head, owner)
            address, password = _address(into.url, database)
            size = load(
                dump,
                head,
                bounds,
                programs=into.programs,
                address=address,
                environment={**environment, "PGPASSWORD": password},
            )
    except psycopg.Error as error:
        raise _explained_by_log(meaning(f"ERROR: {error}"), into.log) from None
    except NotRestored as refused:
        raise _explained_by_log(refused, into.log) from None
    return Loaded(size, time.monotonic() - began, head.major)


def _make_database(
    connection: psycopg.Connection[tuple[object, ...]], database: str, head: Head, owner: str
) -> None:
    owned = sql.SQL(" owner {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
    made = sql.SQL("create database {} template template0 encoding {} lc_collate 'C' lc_ctype 'C'").format(
        sql.Identifier(database), sql.Literal(head.encoding)
    )
    try:
        connection.execute(made + owned)
    except psycopg.errors.DuplicateDatabase:
        message = f"database {database} exists already; a dump is restored into an empty one"
        raise NotRestored(RestoreErrorReason.NOT_EMPTY, message) from None


def _address(url: str, database: str) -> tuple[str, str]:
    """The server's URL with another database and without the password, which must not appear in a process list."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    host = f"{user}{parts.hostname}:{parts.port or 5432}"
    return urlunsplit((parts.scheme, host, f"/{database}", parts.query, "")), unquote(parts.password or "")


def _explained_by_log(refused: NotRestored, log: Path | None) -> NotRestored:
    """The error, with disk-full instead of server-lost where the server's own log says so."""
    if refused.reason is not RestoreErrorReason.SERVER_LOST or log is None or not log.exists():
        return refused
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _END_OF_LOG))
        lines = file.read().decode(errors="replace").splitlines()
    full = next((line for line in lines if any(words in line for words in _FULL)), None)
    return NotRestored(RestoreErrorReason.DISK_FULL, full.strip()[:400]) if full else refused

"""Dumps by their file names, and whether one is complete: by its first and last bytes, and by gzip's and pg_restore's errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from systems.bzzz.backups.models import DumpFile, DumpRead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.probes.host import Listing
    from systems.bzzz.backups.models import Damage, Form

__all__ = [
    "EMPTY",
    "ENDING",
    "HEAD",
    "WRITING",
    "by_its_ends",
    "by_its_list",
    "damage",
    "dump_files",
    "just_written",
    "newest_dump",
    "uncompressed_since",
    "version_in",
]

HEAD, ENDING = 4000, 600
"""Bytes of a dump, uncompressed, by which its beginning and its end are recognised."""

EMPTY = DumpRead(problem="empty", told="it has 0 bytes", version="")
"""A dump without bytes, which need not be read."""

WRITING = timedelta(seconds=60)
"""A file modified so recently may still be written to: a partial dump is UNKNOWN then, not FAIL."""

_OPENING = re.compile(rb"^-- PostgreSQL database dump\r?$", re.MULTILINE)
_CLOSING = b"-- PostgreSQL database dump complete"
_MAY_FOLLOW = re.compile(rb"\s*(--\s*)?(\\unrestrict \w+\s*)?(--\s*)?")
_FORMS: dict[str, Form] = {".sql.gz": "gzip", ".sql": "plain", ".dump": "custom"}
_VERSION = re.compile(rb"Dumped from database version:? ([\w.]+)")
# Errors of gzip (1.12 and busybox), and the damage they mean.
_DAMAGES: tuple[tuple[str, Damage], ...] = (
    (r"unexpected end of file|short read", "truncated"),
    (r"crc error|length error|format violated|invalid compressed|corrupted data|invalid magic", "damaged"),
    (r"not in gzip format", "damaged"),
    (r"trailing garbage", "trailing-garbage"),
)
_UNLISTED = re.compile(r"does not appear to be a valid archive|could not read from input file|unexpected end")


def dump_files(listing: Listing, prefix: str) -> tuple[DumpFile, ...]:
    """The dumps of a folder, newest first by the time in their names; only regular files count."""
    name = re.compile(rf"{re.escape(prefix)}(?P<when>\d{{8}}_\d{{6}})(?P<form>\.sql\.gz|\.sql|\.dump)")
    dumps = list[DumpFile]()
    for entry in listing.entries:
        match = name.fullmatch(entry.name)
        when = _moment(match["when"]) if match else None
        if match is None or when is None or not entry.regular:
            continue
        dumps.append(
            DumpFile(
                path=f"{listing.folder.rstrip('/')}/{entry.name}",
                form=_FORMS[match["form"]],
                named=when,
                written=entry.written,
                size=entry.size,
            )
        )
    return tuple(sorted(dumps, key=lambda dump: (dump.named, dump.path), reverse=True))


def newest_dump(dumps: Iterable[DumpFile]) -> DumpFile | None:
    """The newest that is finished by its form: compressed, or custom."""
    return next((dump for dump in dumps if dump.form != "plain"), None)


def just_written(written: datetime, at: datetime) -> bool:
    """Whether a file with that mtime may still be written to at `at` of its host's clock; not one far in the future."""
    return abs(at - written) < WRITING


def uncompressed_since(dumps: Iterable[DumpFile], newest: DumpFile | None) -> tuple[DumpFile, ...]:
    """Plain dumps that are newer than the newest finished one."""
    return tuple(d for d in dumps if d.form == "plain" and (newest is None or d.named > newest.named))


def damage(stderr: str) -> Damage | None:
    """The damage that gzip's stderr means, None where it means none."""
    return next((code for words, code in _DAMAGES if re.search(words, stderr)), None)


def by_its_ends(begin: bytes, end: bytes) -> DumpRead:
    """Judge content that gzip found intact by its ends. Nothing of it is shown: it is the users' data."""
    version = version_in(begin)
    if not begin:
        return DumpRead(problem="empty", told="it unpacks to 0 bytes", version="")
    if not _OPENING.search(begin):
        return DumpRead(problem="no-dump", told="it does not begin with pg_dump's header", version="")
    _, closing, rest = end.rpartition(_CLOSING)
    if not closing or not _MAY_FOLLOW.fullmatch(rest):
        message = f"it does not end with {_CLOSING.decode()!r}: pg_dump did not finish"
        return DumpRead(problem="no-closing-line", told=message, version=version)
    return DumpRead(problem="", told="", version=version)


def by_its_list(listed: bytes, stderr: str) -> DumpRead | None:
    """Judge a custom dump by pg_restore --list and its stderr; None where they do not decide."""
    if _UNLISTED.search(stderr):
        return DumpRead(problem="damaged", told=stderr[:300], version="")
    if stderr or b"Archive created at" not in listed:
        return None
    return DumpRead(problem="", told="", version=version_in(listed))


def version_in(text: bytes) -> str:
    """The version of the dumped server, by the dump or its list; "" where it names none."""
    match = _VERSION.search(text)
    return match[1].decode() if match else ""


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None

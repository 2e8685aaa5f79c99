"""Dumps by their names, and what their beginning, their end, and the words of the programs that read them tell."""

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
"""Bytes of a dump, uncompressed, by which its beginning and its end are told."""

EMPTY = DumpRead(problem="empty", told="it has 0 bytes", version="")
"""What is told of a dump that nobody has to read."""

WRITING = timedelta(seconds=60)
"""What was written so short a time ago may still be written: half a dump is told, not judged."""

_OPENING = re.compile(rb"^-- PostgreSQL database dump\r?$", re.MULTILINE)
_CLOSING = b"-- PostgreSQL database dump complete"
_MAY_FOLLOW = re.compile(rb"\s*(--\s*)?(\\unrestrict \w+\s*)?(--\s*)?")
_FORMS: dict[str, Form] = {".sql.gz": "gzip", ".sql": "plain", ".dump": "custom"}
_VERSION = re.compile(rb"Dumped from database version:? ([\w.]+)")
# gzip's own words (1.12 and busybox), and what they mean.
_DAMAGES: tuple[tuple[str, Damage], ...] = (
    (r"unexpected end of file|short read", "truncated"),
    (r"crc error|length error|format violated|invalid compressed|corrupted data|invalid magic", "damaged"),
    (r"not in gzip format", "damaged"),
    (r"trailing garbage", "trailing-garbage"),
)
_UNLISTED = re.compile(r"does not appear to be a valid archive|could not read from input file|unexpected end")


def dump_files(listing: Listing, prefix: str) -> tuple[DumpFile, ...]:
    """The dumps of a folder, newest first by the moment in their names; other files are no dumps, nor is what has such
    a name and is no regular file.
    """
    name = re.compile(rf"{re.escape(prefix)}(?P<when>\d{{8}}_\d{{6}})(?P<form>\.sql\.gz|\.sql|\.dump)")
    found = list[DumpFile]()
    for entry in listing.entries:
        match = name.fullmatch(entry.name)
        when = _moment(match["when"]) if match else None
        if match is None or when is None or not entry.regular:
            continue
        found.append(
            DumpFile(
                path=f"{listing.folder.rstrip('/')}/{entry.name}",
                form=_FORMS[match["form"]],
                named=when,
                written=entry.written,
                size=entry.size,
            )
        )
    return tuple(sorted(found, key=lambda dump: (dump.named, dump.path), reverse=True))


def newest_dump(dumps: Iterable[DumpFile]) -> DumpFile | None:
    """The newest that is finished by its form: compressed, or custom."""
    return next((dump for dump in dumps if dump.form != "plain"), None)


def just_written(written: datetime, at: datetime) -> bool:
    """Whether a file of that time may still be written at `at` of its host's clock; one of a time to come is not."""
    return abs(at - written) < WRITING


def uncompressed_since(dumps: Iterable[DumpFile], newest: DumpFile | None) -> tuple[DumpFile, ...]:
    """Plain dumps that are newer than the newest finished one."""
    return tuple(d for d in dumps if d.form == "plain" and (newest is None or d.named > newest.named))


def damage(said: str) -> Damage | None:
    """What gzip's own words say of a file, None where they say nothing of it."""
    return next((code for words, code in _DAMAGES if re.search(words, said)), None)


def by_its_ends(begin: bytes, end: bytes) -> DumpRead:
    """What is told of content that is whole as gzip sees it. Nothing of it is shown: it is the users' data."""
    version = version_in(begin)
    if not begin:
        return DumpRead(problem="empty", told="it unpacks to 0 bytes", version="")
    if not _OPENING.search(begin):
        return DumpRead(problem="no-dump", told="it does not begin as pg_dump begins", version="")
    _, closing, rest = end.rpartition(_CLOSING)
    if not closing or not _MAY_FOLLOW.fullmatch(rest):
        told = f"it does not end with {_CLOSING.decode()!r}: pg_dump did not come to its end"
        return DumpRead(problem="no-closing-line", told=told, version=version)
    return DumpRead(problem="", told="", version=version)


def by_its_list(listed: bytes, said: str) -> DumpRead | None:
    """What is told of a custom dump by pg_restore's list of it and its own words; None where they tell nothing."""
    if _UNLISTED.search(said):
        return DumpRead(problem="damaged", told=said[:300], version="")
    if said or b"Archive created at" not in listed:
        return None
    return DumpRead(problem="", told="", version=version_in(listed))


def version_in(text: bytes) -> str:
    """The server's version that a dump, or the list of one, says that it is of; "" where it says none."""
    match = _VERSION.search(text)
    return match[1].decode() if match else ""


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None

"""Files of base backups and of the WAL archive: which segments exist, and which are needed."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.backups.models import BaseBackup, WalArchive
from systems.bzzz.backups.timelines import descent, histories, history_name, lsn, stretches

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from opsverify.probes.host import FileEntry, FileSeen, HostReader

__all__ = [
    "archive",
    "descent",
    "missing_segments",
    "segment_name",
    "segment_number",
    "verified",
    "wal_range",
]

MANIFEST = "backup_manifest"
_XLOG_ID = 1 << 32
_SEGMENT = re.compile(r"(?P<name>[0-9A-F]{24})(?P<packed>\.(gz|zst|lz4|bz2|xz))?")
_SIZES = tuple(1 << power for power in range(20, 31))  # 1 MiB to 1 GiB, as initdb --wal-segsize takes them
_DEFAULT = 1 << 24
_MOST_NAMED = 10
_RANGE = re.compile(
    rb'"Timeline": (?P<timeline>\d{1,10}), "Start-LSN": "(?P<start>[0-9A-F]{1,8}/[0-9A-F]{1,8})", '
    rb'"End-LSN": "(?P<end>[0-9A-F]{1,8}/[0-9A-F]{1,8})"'
)
_END_OF_MANIFEST = 4000
_TAIL = 'tail -c "$2" -- "$1"'
_VERIFY = 'PATH="$2:$PATH" pg_verifybackup -- "$1" 2>&1 | head -c "$3"'
_GOOD = "backup successfully verified"
# Errors of pg_verifybackup and pg_waldump about a backup that does not match its manifest.
_BAD = re.compile(
    r"checksum mismatch|is present in the manifest but not on disk|is present on disk but not in the manifest|"
    r"has size \d+ .*in the manifest|WAL parsing failed|could not parse backup manifest|manifest checksum|"
    r"manifest ended unexpectedly|invalid record|could not find a valid record|is not a file or directory"
)


def segment_number(name: str, size: int) -> tuple[int, int]:
    """Timeline of a segment, and its number since the beginning of WAL."""
    return int(name[:8], 16), int(name[8:16], 16) * (_XLOG_ID // size) + int(name[16:24], 16)


def segment_name(timeline: int, number: int, size: int) -> str:
    """The name of a segment."""
    high, low = divmod(number, _XLOG_ID // size)
    return f"{timeline:08X}{high:08X}{low:08X}"


def missing_segments(have: set[int], first: int, last: int, most: int) -> tuple[list[int], int]:
    """The first `most` of the numbers from `first` to `last` that are not there, and how many are not."""
    count = max(0, last - first + 1) - sum(first <= number <= last for number in have)
    gaps, at = list[int](), first
    for number in [*sorted(n for n in have if first <= n <= last), last + 1]:
        gaps += range(at, min(number, at + most - len(gaps)))
        at = number + 1
    return gaps[:most], count


def wal_range(manifest: bytes) -> tuple[int, int, int] | None:
    """Timeline, start and end of the last range of WAL that a manifest's end names."""
    ranges = list(_RANGE.finditer(manifest))
    if not ranges:
        return None
    return int(ranges[-1]["timeline"]), lsn(ranges[-1]["start"]), lsn(ranges[-1]["end"])


def verified(reader: HostReader, base: str, programs: str | None, within: timedelta) -> BaseBackup:
    """The newest base backup and pg_verifybackup's verdict, by its message: a crash has an exit status too.

    Raises:
        Unobservable: there is none, or the program is missing, crashed, or printed an unknown message.
    """
    at, newest = _newest(reader, base)
    folder = newest.path.removesuffix(f"/{MANIFEST}")
    answer = reader.ask(_VERIFY, folder, programs or "", "4000", within=within)
    output = " ".join((answer.output.decode("utf-8", "replace") + answer.errors).split())
    if "not found" in output and "pg_verifybackup" in output and _GOOD not in output:
        message = (
            f"{reader.name} has no pg_verifybackup in its PATH; name its folder: [bzzz.backups] programs"
        )
        raise Unobservable(ErrorKind.PRECONDITION, message)
    if _GOOD not in output and not _BAD.search(output):
        raise reader.trouble(output or "pg_verifybackup ended without a message: it crashed")
    return BaseBackup(
        path=folder,
        at=at,
        written=newest.written,
        problem="" if _GOOD in output and not _BAD.search(output) else output[:600],
    )


def archive(reader: HostReader, base: str, folder: str) -> WalArchive:
    """The archive from the newest base backup on."""
    _, newest = _newest(reader, base)
    timeline, start, end = _range_of(reader, newest)
    listing = reader.listing(folder)
    if listing is None:
        message = f"no folder {folder} on {reader.name}: it is not mounted, or the target names another"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    matches = [(e, m) for e in listing.entries if e.regular and (m := _SEGMENT.fullmatch(e.name))]
    plain = [e for e, m in matches if not m["packed"]]
    size = _size(plain)
    have = defaultdict[int, set[int]](set)
    for _, match in matches:
        its, number = segment_number(match["name"], size)
        have[its].add(number)
    known, unknown = histories(reader, listing, {t for t in have if t > timeline})
    first, needed = start // size, (end - 1) // size
    taken = stretches(descent(known, timeline, end), have, first, needed, size)
    missing = [history_name(each) for each in unknown if max(have[each]) >= first]
    count, there = len(missing), list[str]()
    for its, begin, last in taken:
        gaps, lost = missing_segments(have[its], begin, last, max(0, _MOST_NAMED - len(missing)))
        missing += [segment_name(its, number, size) for number in gaps]
        count += lost
        there += [segment_name(its, n, size) for n in sorted(have[its]) if begin <= n <= last]
    wanted = set(there)
    odd = [e for e in plain if e.size != size and e.name in wanted]
    return WalArchive(
        folder=folder,
        base=newest.path.removesuffix(f"/{MANIFEST}"),
        segment=size,
        first=segment_name(timeline, first, size),
        newest=there[-1] if there else "",
        segments=len(there),
        missing=tuple(missing),
        missing_count=count,
        odd=tuple(f"{e.name}: {e.size} bytes" for e in odd[:_MOST_NAMED]),
        odd_count=len(odd),
    )


def _size(plain: list[FileEntry]) -> int:
    """Size of a segment: the most frequent size that is a valid one."""
    sizes = [each.size for each in plain if each.size in _SIZES]
    return max(set(sizes), key=sizes.count, default=_DEFAULT)


def _newest(reader: HostReader, base: str) -> tuple[datetime, FileSeen]:
    """The host's clock, and the newest manifest: in the folder itself, or in one below it."""
    listing = reader.listing(base)
    if listing is None:
        message = f"no folder {base} on {reader.name}: no base backup was ever made there, or the target names another"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    folders = [f"{base}/{each.name}" for each in listing.entries if each.folder]
    own = any(each.name == MANIFEST for each in listing.entries)
    paths = [f"{base}/{MANIFEST}"] if own else [f"{folder}/{MANIFEST}" for folder in folders]
    there = [each for each in reader.look(paths) if each.regular] if paths else []
    if not there:
        message = f"no base backup with a backup_manifest in {base}"
        raise Unobservable(ErrorKind.EMPTY, message)
    return listing.at, max(there, key=lambda each: each.written)


def _range_of(reader: HostReader, manifest: FileSeen) -> tuple[int, int, int]:
    answer = reader.ask(_TAIL, manifest.path, str(_END_OF_MANIFEST))
    if answer.status != 0:
        raise reader.trouble(answer.errors or "tail printed nothing")
    wal = wal_range(answer.output)
    if wal is None:
        message = f"{manifest.path} names no WAL range: it is truncated, or of another format"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    return wal

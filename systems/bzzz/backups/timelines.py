"""Timelines of archived WAL: which ones a recovery follows, and between which LSNs, by the archive's history files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from opsverify.model.observation import ErrorKind, Unobservable

if TYPE_CHECKING:
    from opsverify.probes.host import HostReader, Listing

__all__ = ["History", "descent", "histories", "history_name", "lsn", "parsed", "stretches"]

History: TypeAlias = tuple[tuple[int, int], ...]
"""A timeline's ancestors, oldest first, each with the LSN at which it was left."""
_HISTORY = re.compile(r"(?P<timeline>[0-9A-F]{8})\.history(?P<packed>\.(gz|zst|lz4|bz2|xz))?")
_LARGEST = 65536
# A line as PostgreSQL writes it: parent timeline, switch point (LSN), reason.
_SWITCH = re.compile(
    rb"^[ \t]*(?P<parent>\d{1,10})[ \t]+(?P<switch>[0-9A-F]{1,8}/[0-9A-F]{1,8})(?=\s|\Z)", re.MULTILINE
)


def descent(histories: Mapping[int, History], timeline: int, end: int) -> list[tuple[int, int]]:
    """The timelines that recovery from a base backup on `timeline` takes, each with the LSN at which it begins: down to
    the newest that comes of it after the backup's end. One that branched off before is another cluster's, or another
    backup's.
    """
    for newest in sorted((each for each in histories if each > timeline), reverse=True):
        switches = dict(histories[newest])
        if switches.get(timeline, -1) < end:
            continue
        line, at = [(timeline, 0)], switches[timeline]
        for parent, switch in histories[newest]:
            if parent > timeline:
                line.append((parent, at))
                at = switch
        return [*line, (newest, at)]
    return [(timeline, 0)]


def stretches(
    line: list[tuple[int, int]], have: Mapping[int, set[int]], first: int, needed: int, size: int
) -> list[tuple[int, int, int]]:
    """Timeline, first and last segment of each stretch. The last one goes as far as there is anything of it."""
    begins = [first, *(at // size for _, at in line[1:])]
    ends = [begin - 1 for begin in begins[1:]]
    newest = line[-1][0]
    ends.append(max([begins[-1] - 1, *have.get(newest, ()), *([needed] if len(line) == 1 else [])]))
    return [(t, begin, last) for (t, _), begin, last in zip(line, begins, ends, strict=True)]


def histories(reader: HostReader, listing: Listing, wanted: set[int]) -> tuple[dict[int, History], list[int]]:
    """The histories in the archive by timeline, and those of `wanted` that are missing or empty."""
    named = [(e, m) for e in listing.entries if e.regular and (m := _HISTORY.fullmatch(e.name))]
    packed = [e.name for e, m in named if m["packed"]]
    if packed:
        message = f"{listing.folder}/{packed[0]} is compressed: the switch between timelines cannot be read"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    timelines = [int(m["timeline"], 16) for _, m in named]
    files = reader.look([f"{listing.folder}/{e.name}" for e, _ in named], _LARGEST) if named else []
    parents = {t: parsed(each.content or b"") for t, each in zip(timelines, files, strict=True)}
    known = {timeline: history for timeline, history in parents.items() if history}
    return known, sorted(wanted - known.keys())


def parsed(history: bytes) -> History:
    """Parse a history file; comments and other lines are skipped."""
    return tuple((int(m["parent"]), lsn(m["switch"])) for m in _SWITCH.finditer(history))


def history_name(timeline: int) -> str:
    """The name of a timeline's history."""
    return f"{timeline:08X}.history"


def lsn(text: bytes) -> int:
    """An LSN as bytes since the beginning of WAL, from its two hexadecimal numbers."""
    high, _, low = text.decode().partition("/")
    return (int(high, 16) << 32) + int(low, 16)

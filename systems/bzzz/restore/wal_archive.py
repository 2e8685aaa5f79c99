"""File names of a WAL archive: the segments that follow a base backup, and missing ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from systems.bzzz.backups.wal_files import missing_segments, segment_name, segment_number

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["first_segment", "following", "missing"]

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_START = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)
_MOST = 5


def first_segment(backup_label: str) -> str | None:
    """The segment at which a base backup begins, by its backup_label."""
    match = _START.search(backup_label)
    return match.group(1) if match else None


def missing(names: Iterable[str], first: str, segment_size: int) -> list[str]:
    """The first few missing segments of the first one's timeline, from `first` to the newest that exists."""
    timeline, begin = segment_number(first, segment_size)
    numbers = [segment_number(name, segment_size) for name in names if _SEGMENT.fullmatch(name)]
    have = {number for its, number in numbers if its == timeline}
    gaps, _ = missing_segments(have, begin, max([begin, *have]), _MOST)
    return [segment_name(timeline, number, segment_size) for number in gaps]


def following(names: Iterable[str], first: str) -> list[str]:
    """The files that a recovery from `first` may need: segments from there on, of any timeline, and history files."""
    return sorted(
        n for n in names if n.endswith(".history") or (_SEGMENT.fullmatch(n) and n[8:] >= first[8:])
    )

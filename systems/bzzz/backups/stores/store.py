"""Protocol of a store of dumps: listing, reading, checksum, streaming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import timedelta

    from opsverify.probes.host import Listing
    from systems.bzzz.backups.models import DumpFile, DumpRead
    from systems.bzzz.restore.stream import Source

__all__ = ["GROWN", "Checksum", "DumpPlace"]

GROWN = 10
"""Assumed growth of a gzipped dump, where its uncompressed size is unknown."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """SHA-256 of a file's content, in hexadecimal digits, and how it was computed."""

    digest: str
    how: str


class DumpPlace(Protocol):
    """A read-only store of dumps. Its methods block, each for a bounded time, and raise Unobservable."""

    name: str
    """The folder with its host, or the address in the store."""

    def listing(self) -> Listing:
        """The files now, by the store's own clock. Raises Unobservable where the folder does not exist."""

    def read(self, dump: DumpFile, within: timedelta) -> DumpRead:
        """Read a dump that has bytes to its end, and keep nothing of it. Raises Changed where it is gone."""

    def checksum(self, name: str, within: timedelta) -> Checksum:
        """The checksum of a whole file, by its name there."""

    def beginning(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a file, fewer where it has no more."""

    def source(self, dump: DumpFile, within: timedelta) -> Source:
        """What a dump can be streamed from, for at most `within`."""

    def unpacked(self, dump: DumpFile) -> int:
        """About how many bytes a dump has uncompressed."""

"""The newest dump among a target's backups and the roles file next to it, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.host import Changed
from systems.bzzz.backups.dumps import WRITING, dump_files, just_written, newest_dump
from systems.bzzz.backups.stores import open_dumps
from systems.bzzz.restore.roles import MOST_GLOBALS

if TYPE_CHECKING:
    from datetime import timedelta

    from systems.bzzz.backups.models import DumpFile
    from systems.bzzz.backups.target import BackupsTarget
    from systems.bzzz.restore.stream import Source

__all__ = ["Backups"]

_GLOBALS = ("roles_", "globals_")


class Backups:
    """The dumps of a target at construction: `newest`, and the store's clock then, `at`.

    Raises:
        Unobservable: there is none, or the store cannot be read.
    """

    def __init__(self, target: BackupsTarget) -> None:
        self._target, self._place = target, open_dumps(target)
        listing = self._place.listing()
        newest = newest_dump(dump_files(listing, target.prefix))
        if newest is None:
            message = f"no dump {target.prefix}YYYYMMDD_HHMMSS.sql.gz in {self._place.name}; see B-BAK-1"
            raise Unobservable(ErrorKind.EMPTY, message)
        self.newest: DumpFile = newest
        self.at = listing.at
        self._names = [entry.name for entry in listing.entries]

    @property
    def compressed(self) -> bool:
        """Whether the newest dump is gzipped."""
        return self.newest.form == "gzip"

    @property
    def unpacked(self) -> int:
        """About how many bytes it has uncompressed."""
        return self._place.unpacked(self.newest)

    def roles(self) -> tuple[str, str]:
        """The newest file of roles beside the dumps (`pg_dumpall --globals-only`) and its text; both empty without one."""
        named = [n for n in self._names if n.startswith(_GLOBALS) and n.endswith(".sql")]
        if not named:
            return "", ""
        name = max(named, key=lambda each: each.partition("_")[2])
        text = self._place.beginning(name, MOST_GLOBALS).decode(errors="replace")
        return f"{self._target.folder}/{name}", text

    def source(self, within: timedelta) -> Source:
        """What to stream the newest dump from."""
        return self._place.source(self.newest, within)

    def refuse_if_being_written(self, *, damaged: bool) -> None:
        """Raise Changed where the dump is another one than before, or may not be finished and is `damaged`."""
        if self.newest not in dump_files(self._place.listing(), self._target.prefix):
            msg = f"{self.newest.path} changed or disappeared while it was read; run again"
            raise Changed(msg)
        if damaged and just_written(self.newest.written, self.at):
            msg = f"{self.newest.path} is incomplete, but was modified less than {WRITING.total_seconds():g} s before: pg_dump may still be running"
            raise Changed(msg)

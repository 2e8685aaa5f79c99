"""Read-only client of the backups: folders on a host, and dumps in an S3-compatible store. Blocking calls run in threads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.blocking import in_thread
from opsverify.probes.host import Changed, HostReader
from systems.bzzz.backups import export_files, wal_files
from systems.bzzz.backups.dumps import (
    EMPTY,
    WRITING,
    dump_files,
    just_written,
    newest_dump,
    uncompressed_since,
)
from systems.bzzz.backups.models import MOST_LISTED, Dumps, NewestFile, OffsiteCopy
from systems.bzzz.backups.stores import open_dumps, open_offsite

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.probes.host import Listing
    from systems.bzzz.backups.models import BaseBackup, DumpFile, Export, WalArchive
    from systems.bzzz.backups.stores.store import DumpPlace
    from systems.bzzz.backups.target import BackupsTarget
    from systems.bzzz.section import BzzzSection

__all__ = ["BackupsClient"]

R = TypeVar("R")
_READ = seconds(240)  # of one file to its end; the observation's deadline is somewhat longer
_GZIP = 'gzip -t -- "$1"'


class BackupsClient:
    """Reads the backups of a target."""

    def __init__(self, section: BzzzSection) -> None:
        self._section = section

    @property
    def target(self) -> BackupsTarget:
        """The target's table of backups. Raises Unobservable where there is none."""
        if self._section.backups is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no backups")
        return self._section.backups

    @cached_property
    def reader(self) -> HostReader:
        """The host that holds them."""
        return HostReader(self.target)

    async def dumps(self) -> Dumps:
        """The dumps, and the newest one read to its end."""
        return await in_thread(self._dumps)

    async def base(self) -> BaseBackup:
        """The newest base backup, verified by pg_verifybackup."""
        target = self.target
        return await self._in_thread(
            lambda: wal_files.verified(self.reader, target.base, target.programs, _READ), target.base
        )

    async def wal(self) -> WalArchive:
        """The WAL archive since the newest base backup."""
        target = self.target
        if target.wal is None:
            message = "the target does not say where archive_command puts WAL; add [bzzz.backups] wal"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        wal = target.wal
        return await self._in_thread(lambda: wal_files.archive(self.reader, target.base, wal), wal)

    async def export(self) -> Export:
        """The configuration export."""
        target = self.target
        return await self._in_thread(
            lambda: export_files.read(self.reader, target.configuration, target.payloads),
            target.configuration,
        )

    async def offsite(self) -> OffsiteCopy:
        """The newest dump, and its copy off-site."""
        target = self.target
        if target.offsite is None:
            message = "the target does not say where the off-site copy is; add [bzzz.backups] offsite"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        return await in_thread(self._offsite, target.offsite)

    async def prometheus(self) -> NewestFile:
        """The newest Prometheus snapshot."""
        return await self._in_thread(
            lambda: self._newest(self.target.prometheus, folders=True), self.target.prometheus
        )

    async def dht(self) -> NewestFile:
        """The newest copy of the DHT's content, or why the target needs none."""
        target = self.target
        if target.dht is None and not target.dht_replication_only:
            message = "the target configures no backup of the DHT's content; add [bzzz.backups] dht, or dht_replication_only with a reason"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        return await self._in_thread(self._dht, target.dht or "the target file")

    async def rights(self) -> str:
        """Whether dumps may be listed and read; for the preflight."""
        return await in_thread(_read_rights, open_dumps(self.target), self.target.prefix)

    async def offsite_rights(self) -> str:
        """The same of the off-site copies."""
        offsite = self.target.offsite
        if offsite is None:
            return "the target names no off-site copy"
        return await in_thread(_read_rights, open_offsite(self.target, offsite), self.target.prefix)

    async def _in_thread(self, read: Callable[[], R], path: str) -> R:
        record_source(f"{self.target.host} {path}")
        return await in_thread(read)

    def _listing(self, folder: str) -> Listing:
        listing = self.reader.listing(folder)
        if listing is None:
            message = f"no folder {folder} on {self.reader.name}: nothing was ever written there, or the target names another"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        return listing

    def _dumps(self) -> Dumps:
        target = self.target
        place = open_dumps(target)
        listing = place.listing()
        files = dump_files(listing, target.prefix)
        newest = newest_dump(files)
        plain = uncompressed_since(files, newest)
        _refuse_while_dumping(files, listing)
        read = None if newest is None else place.read(newest, _READ) if newest.size else EMPTY
        again = dump_files(place.listing(), target.prefix)
        if again != files:
            msg = f"the dumps in {target.folder} changed while they were read: a dump is being written"
            raise Changed(msg)
        if (
            read is not None
            and newest is not None
            and read.problem
            and just_written(newest.written, listing.at)
        ):
            message = f"{newest.path} is incomplete ({read.told}), but was modified less than {WRITING.total_seconds():g} s ago: pg_dump may still be running"
            raise Changed(message)
        return Dumps(
            folder=target.folder,
            at=listing.at,
            files=files[:MOST_LISTED],
            count=len(files),
            newest=newest,
            read=read,
            uncompressed=plain[:MOST_LISTED],
        )

    def _offsite(self, offsite: str) -> OffsiteCopy:
        here, there = open_dumps(self.target), open_offsite(self.target, offsite)
        newest = newest_dump(dump_files(here.listing(), self.target.prefix))
        if newest is None:
            raise Unobservable(ErrorKind.EMPTY, f"no finished dump in {here.name}; see B-BAK-1")
        name = newest.path.rsplit("/", 1)[-1]
        entry = next((e for e in there.listing().entries if e.name == name and e.regular), None)
        own = here.checksum(name, _READ)
        copied = there.checksum(name, _READ) if entry else None
        still_here = newest in dump_files(here.listing(), self.target.prefix)
        if not still_here or (entry is not None and entry not in there.listing().entries):
            msg = f"{name} changed, here or in {there.name}, while the two were compared"
            raise Changed(msg)
        return OffsiteCopy(
            name=name,
            size=newest.size,
            digest=own.digest,
            how=own.how,
            place=there.name,
            there=entry.size if entry else None,
            digest_there=copied.digest if copied else "",
            how_there=copied.how if copied else "",
        )

    def _newest(self, folder: str, *, folders: bool = False) -> NewestFile:
        listing = self._listing(folder)
        named = [each for each in listing.entries if (each.folder if folders else each.regular)]
        newest = max(named, key=lambda each: each.written, default=None)
        if newest is None:
            return NewestFile(folder=folder, at=listing.at, name=None, written=None, size=0, problem="")
        size = newest.size
        if folders:  # a folder's own size says nothing of what it holds
            size = sum(each.size for each in self._listing(f"{folder}/{newest.name}").entries)
        return NewestFile(
            folder=folder, at=listing.at, name=newest.name, written=newest.written, size=size, problem=""
        )

    def _dht(self) -> NewestFile:
        target = self.target
        if target.dht is None:
            at = open_dumps(target).listing().at
            declared = target.dht_replication_only
            return NewestFile(
                folder="", at=at, name=None, written=None, size=0, problem="", declared=declared
            )
        newest = self._newest(target.dht)
        if newest.written is None:
            return newest
        problem = self._damage(f"{target.dht}/{newest.name}") if newest.size else ""
        if (problem or not newest.size) and just_written(newest.written, newest.at):
            message = f"{target.dht}/{newest.name} is incomplete, but was modified less than {WRITING.total_seconds():g} s ago: the copy may still be running"
            raise Changed(message)
        return newest.model_copy(update={"problem": problem})

    def _damage(self, path: str) -> str:
        """The error that gzip reports for a damaged file; empty for a file that is not gzipped."""
        if not path.endswith(".gz"):
            return ""
        answer = self.reader.ask(_GZIP, path, within=_READ)
        stderr = answer.errors.strip()
        if answer.status and not re.search(
            r"unexpected end|crc error|format violated|not in gzip format", stderr
        ):
            raise self.reader.trouble(stderr or f"gzip -t ended with status {answer.status}")
        return stderr[:300] if answer.status else ""


def _read_rights(place: DumpPlace, prefix: str) -> str:
    listing = place.listing()
    files = dump_files(listing, prefix)
    if files:
        place.beginning(files[0].path.rsplit("/", 1)[-1], 1)
    apart = (listing.at - datetime.now(UTC)).total_seconds()
    return f"{len(files)} dumps in {place.name}, its clock {apart:+.1f} s against ours"


def _refuse_while_dumping(files: tuple[DumpFile, ...], listing: Listing) -> None:
    """Raise Changed where a plain dump was written just now: pg_dump, or gzip, is running."""
    for dump in files:
        if dump.form == "plain" and just_written(dump.written, listing.at):
            message = (
                f"{dump.path} was modified less than {WRITING.total_seconds():g} s ago: a dump is being made"
            )
            raise Changed(message)

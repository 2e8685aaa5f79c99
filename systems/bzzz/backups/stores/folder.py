"""Store of dumps in a folder on a host: they are read on that host, and transferred only for a restore."""

from __future__ import annotations

import re
import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.host import Changed, HostReader
from systems.bzzz.backups.dumps import HEAD, by_its_ends, by_its_list, damage, version_in
from systems.bzzz.backups.models import DumpRead
from systems.bzzz.backups.stores.store import GROWN, Checksum

if TYPE_CHECKING:
    from datetime import timedelta

    from opsverify.probes.host import Listing, Reached
    from systems.bzzz.backups.models import DumpFile
    from systems.bzzz.backups.target import BackupsTarget
    from systems.bzzz.restore.stream import Source

__all__ = ["FolderPlace", "OffsiteHost"]

_DIGEST = re.compile(rb"\\?(?P<digest>[0-9a-f]{64}) .*", re.DOTALL)
_SHA256 = 'sha256sum -- "$1"'
# Last bytes and gzip's own exit status from one read: a pipe's status is only that of its last program.
_TO_THE_END = (
    'exec 4>&1; s=$({ { gzip -dc -- "$1"; echo $? >&3; } | tail -c 600 >&4; } 3>&1); printf "\\n%s" "$s"'
)
_BEGINNING = 'gzip -dc -- "$1" 2>/dev/null | head -c "$2"'
_LIST = 'PATH="$2:$PATH" pg_restore --list -- "$1" | head -c "$3"'
_SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15")


class OffsiteHost:
    """Address of the off-site host, reached with the backups' SSH settings."""

    def __init__(self, target: BackupsTarget) -> None:
        self.host = target.offsite_host or target.host
        self.ssh_config, self.identity_file = target.ssh_config, target.identity_file


class FolderPlace:
    """A folder of dumps on a host. `programs` is the folder of PostgreSQL's programs there, None: in its PATH."""

    def __init__(self, host: Reached, folder: str, programs: str | None) -> None:
        self._host, self._folder, self._programs = host, folder, programs
        self.name = f"{host.host} {folder}"

    @cached_property
    def _reader(self) -> HostReader:
        return HostReader(self._host)

    def listing(self) -> Listing:
        """What lies in the folder, by the host's clock."""
        record_source(f"{self._host.host}: ls {self._folder}")
        listing = self._reader.listing(self._folder)
        if listing is None:
            message = f"no folder {self._folder} on {self._host.host}: it is not mounted, nothing was ever written there, or the target names another"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        return listing

    def read(self, dump: DumpFile, within: timedelta) -> DumpRead:
        """Read a dump to its end on the host, by gzip or pg_restore."""
        record_source(
            f"{self._host.host}: {'pg_restore --list' if dump.form == 'custom' else 'gzip -dc'} {dump.path}"
        )
        if dump.form == "custom":
            return self._listed(dump, within)
        answer = self._reader.ask(_TO_THE_END, dump.path, within=within)
        end, _, status = answer.output.rpartition(b"\n")
        stderr = answer.errors.strip().removeprefix("gzip: ").removeprefix(f"{dump.path}: ")
        _refuse_gone(dump, stderr)
        if status not in {b"0", b"1", b"2"}:
            raise self._reader.trouble(
                stderr or f"gzip ended with status {status.decode(errors='replace')[:20]}"
            )
        problem = damage(stderr)
        if status != b"0" and not problem:
            raise self._reader.trouble(stderr or "gzip could not read it")
        begin = self._reader.ask(_BEGINNING, dump.path, str(HEAD), within=within).output
        if problem:
            return DumpRead(problem=problem, told=stderr[:300], version=version_in(begin))
        return by_its_ends(begin, end)

    def _listed(self, dump: DumpFile, within: timedelta) -> DumpRead:
        answer = self._reader.ask(_LIST, dump.path, self._programs or "", str(HEAD), within=within)
        stderr = answer.errors.strip()
        _refuse_gone(dump, stderr)
        read = by_its_list(answer.output, stderr)
        if read is not None:
            return read
        if "not found" in stderr:
            message = (
                f"{self._host.host} has no pg_restore in its PATH; name its folder: [bzzz.backups] programs"
            )
            raise Unobservable(ErrorKind.PRECONDITION, message)
        raise self._reader.trouble(stderr or f"pg_restore --list ended with status {answer.status}")

    def checksum(self, name: str, within: timedelta) -> Checksum:
        """sha256sum of a file, on the host."""
        path = f"{self._folder}/{name}"
        record_source(f"{self._host.host}: sha256sum {path}")
        answer = self._reader.ask(_SHA256, path, within=within)
        match = _DIGEST.fullmatch(answer.output)
        if answer.status != 0 or match is None:
            raise self._reader.trouble(answer.errors or "sha256sum printed no digest")
        return Checksum(match["digest"].decode(), "sha256sum on its host")

    def beginning(self, name: str, most: int) -> bytes:
        """The first bytes of a file."""
        record_source(f"{self._host.host}: cat {self._folder}/{name}")
        return self._reader.page(f"{self._folder}/{name}", 0, most)

    def source(self, dump: DumpFile, within: timedelta) -> Source:
        """The file itself, or the command that brings it over ssh; whoever streams it bounds the time."""
        del within
        record_source(f"{self._host.host}: cat {dump.path}")
        if self._host.host == "local://":
            return Path(dump.path)
        parts = urlsplit(self._host.host)
        where = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
        options = [*_SSH, *(["-p", str(parts.port)] if parts.port else [])]
        options += ["-F", self._host.ssh_config] if self._host.ssh_config else []
        options += ["-i", self._host.identity_file] if self._host.identity_file else []
        return ["ssh", *options, "--", where, f"cat -- {shlex.quote(dump.path)}"]

    def unpacked(self, dump: DumpFile) -> int:
        """By gzip's size field (the last four bytes), where the file is local and the field plausible."""
        if dump.form != "gzip":
            return dump.size
        if self._host.host == "local://" and dump.size:
            with Path(dump.path).open("rb") as file:
                file.seek(max(0, dump.size - 4))
                size = int.from_bytes(file.read(4), "little")
            if dump.size * GROWN < 1 << 32 and dump.size < size < dump.size * GROWN * 10:
                return size
        return dump.size * GROWN


def _refuse_gone(dump: DumpFile, stderr: str) -> None:
    if "No such file" in stderr:
        msg = f"{dump.path} disappeared while it was read"
        raise Changed(msg)

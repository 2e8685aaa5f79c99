"""A dump as a stream, from a file, a program or a generator of pieces, with little of it in memory at a time."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, TypeAlias

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.host import host_trouble
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason, meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opsverify.model.deadline import Deadline

__all__ = ["CHUNK", "LEAVE_FREE", "Bounds", "Source", "StderrReader", "Stream", "ready", "stream_of"]

Source: TypeAlias = "Path | Sequence[str] | Callable[[], Iterator[bytes]]"
"""Source of a dump: a file, a command that prints it, or a function that yields it in pieces."""

CHUNK = 1 << 20
LEAVE_FREE = 256 << 20
"""Bytes that stay free on the disk of a scratch server, which others use too."""
_LOOK_S = 0.2
_WORDS = 16384
_ENDING_S = 5.0
_AT_THE_END = re.compile("unexpected end of file|short read")
"""Errors of gzip for input that ends too early, whatever the cause (1.12 and busybox)."""


class StderrReader:
    """Drains a program's stderr in a thread, and keeps its beginning."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while words := self._stream.read(4096):
            # The first bytes name the error; a flood may follow.
            self._kept = self._kept if len(self._kept) >= _WORDS else self._kept + words

    def join(self) -> None:
        """Wait for the end of stderr."""
        self._thread.join(_ENDING_S)

    @property
    def text(self) -> str:
        """The text, once the program has ended."""
        self.join()
        return self._kept.decode(errors="replace")


class _Program:
    """A program whose output is read, and its stderr."""

    def __init__(
        self, command: Sequence[str], stdin: int | IO[bytes], environment: Mapping[str, str]
    ) -> None:
        self._child = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment)
        )
        assert self._child.stdout is not None  # noqa: S101 -- for the type checker: both are pipes
        assert self._child.stderr is not None  # noqa: S101
        self._name = command[0]
        self.output, self._errors = self._child.stdout, self._child.stderr
        self.words = StderrReader(self._errors)

    def status(self) -> int | None:
        """Its exit status, awaited briefly after the end of its output."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_ENDING_S)
        return self._child.returncode

    def ended_well(self) -> None:
        """Raise Unobservable where it failed: its output is incomplete then."""
        if (status := self.status()) != 0:
            raise host_trouble(self._name, self.words.text or f"it exited with status {status}")

    def close(self) -> None:
        """End it."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait(_ENDING_S)
        self.words.join()
        self._errors.close()


class _Feed:
    """Writes pieces into a pipe, in a thread. Whether all of them came is known only at the end."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._pieces, self._whole = pieces, False
        self._trouble: Unobservable | None = None
        reading, self._writing = os.pipe()
        self.output = os.fdopen(reading, "rb", buffering=0)
        self._thread = Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        try:
            with os.fdopen(self._writing, "wb", buffering=0) as pipe:
                for piece in self._pieces():
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[pipe.write(rest) :]
            self._whole = True
        except BrokenPipeError:
            return  # the reader has stopped
        except Unobservable as trouble:
            self._trouble = trouble

    def ended_well(self) -> None:
        """Raise Unobservable where not all pieces came."""
        self._thread.join(_ENDING_S)
        if self._trouble is not None:
            raise self._trouble
        if not self._whole:
            raise Unobservable(
                ErrorKind.BROKEN, "the transfer of the dump stopped before its end, without an error"
            )


@dataclass(slots=True)
class Bounds:
    """Limits that abort a restore: time, cancellation, disk space."""

    clock: Deadline
    folder: Path
    leave_free: int = LEAVE_FREE
    given_up: Event = field(default_factory=Event)

    def look(self) -> None:
        """Raise NotRestored where the restore has to stop."""
        if self.given_up.is_set():
            raise NotRestored(RestoreErrorReason.TOO_SLOW, "it was cancelled")
        if self.clock.passed:
            message = f"it did not finish within {self.clock.within.total_seconds():g} s"
            raise NotRestored(RestoreErrorReason.TOO_SLOW, message)
        if (free := shutil.disk_usage(self.folder).free) < self.leave_free:
            message = f"{free >> 20} MB are left on the disk of {self.folder}; {self.leave_free >> 20} MB must stay free"
            raise NotRestored(RestoreErrorReason.DISK_FULL, message)


def ready(descriptor: int, event: int) -> bool:
    """Whether a descriptor becomes readable or writable (select.POLLIN, POLLOUT) within a moment. poll() takes any number."""
    waiting = select.poll()
    waiting.register(descriptor, event)
    return bool(waiting.poll(_LOOK_S * 1000))


@dataclass(slots=True)
class Stream:
    """An open dump: the descriptor to read it from, the feed or program that transfers it, and its gzip."""

    descriptor: int
    brought_by: _Feed | _Program | None = None
    gzip: _Program | None = None

    def read(self, bounds: Bounds) -> bytes:
        """The next bytes, none at the end; checks the bounds while it waits. Raises NotRestored."""
        while not ready(self.descriptor, select.POLLIN):
            bounds.look()
        return os.read(self.descriptor, CHUNK)

    def read_first(self, size: int, bounds: Bounds) -> bytes:
        """At least the first `size` bytes, fewer where there are no more. Raises NotRestored."""
        first = b""
        while len(first) < size and (more := self.read(bounds)):
            first += more
        return first

    def ended_well(self) -> None:
        """Check that the dump was transferred completely and is undamaged.

        Raises:
            Unobservable: it was not transferred completely, which is no damage of the dump.
            NotRestored: it was, and gzip found it damaged.
        """
        stderr = self.gzip.words.text if self.gzip is not None and self.gzip.status() != 0 else ""
        if stderr and not _AT_THE_END.search(
            stderr
        ):  # damage in the bytes that came; gzip's exit then breaks the transfer of the rest
            raise meaning(stderr)
        if self.brought_by is not None:
            self.brought_by.ended_well()
        if self.gzip is not None and self.gzip.status() != 0:
            raise meaning(stderr or f"gzip ended with status {self.gzip.status()}")


@contextmanager
def stream_of(source: Source, *, compressed: bool, environment: Mapping[str, str]) -> Iterator[Stream]:
    """Open a dump of any source; with `compressed` through gzip, which verifies it on the way."""
    brought_by: _Feed | _Program | None = None
    gzip: _Program | None = None
    opened: list[IO[bytes]] = []
    try:
        if isinstance(source, Path):
            opened.append(source.open("rb", buffering=0))
        elif callable(source):
            brought_by = _Feed(source)
            opened.append(brought_by.output)
        else:
            brought_by = _Program(source, subprocess.DEVNULL, environment)
            opened.append(brought_by.output)
        if compressed:
            gzip = _Program(["gzip", "-dc"], opened[0], environment)
            opened.append(gzip.output)
            opened.pop(0).close()  # gzip has it now
        if not isinstance(source, Path) or compressed:
            with suppress(OSError):  # above the system's limit: then in smaller pieces
                fcntl.fcntl(opened[0], fcntl.F_SETPIPE_SZ, CHUNK)
        yield Stream(opened[0].fileno(), brought_by, gzip)
    finally:
        for file in opened:
            file.close()
        for program in (brought_by, gzip):
            if isinstance(program, _Program):
                program.close()

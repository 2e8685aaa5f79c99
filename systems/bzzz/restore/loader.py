"""psql or pg_restore at the end of a stream: given the dump as it comes, and its last bytes only when it is whole."""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from systems.bzzz.restore.dump import TAIL, whole_tail
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason, meaning
from systems.bzzz.restore.stream import CHUNK, LastWords, ready
from systems.bzzz.restore.version import program_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from systems.bzzz.restore.dump import Head
    from systems.bzzz.restore.stream import Bounds, Stream

__all__ = ["load"]

_KNOWS_RESTRICT = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
_SINCE_ALWAYS = 18
_LOOK_S = 0.2
_LOOK_EVERY = 16 * CHUNK


@dataclass(slots=True)
class _Loader:
    """The running program; what it is given goes through `send`."""

    program: subprocess.Popen[bytes]
    stdin: IO[bytes]
    words: LastWords
    bounds: Bounds

    def send(self, data: bytes | memoryview) -> None:
        """Give it more. Raises NotRestored, or BrokenPipeError where it has ended."""
        rest = memoryview(data)
        while rest:
            if not ready(self.stdin.fileno(), select.POLLOUT):
                self.bounds.look()
                continue
            with suppress(BlockingIOError):
                rest = rest[os.write(self.stdin.fileno(), rest) :]

    def finish(self) -> None:
        """Tell it that this was all, and wait until it has ended. Raises NotRestored."""
        self.stdin.close()
        while True:
            with suppress(subprocess.TimeoutExpired):
                self.program.wait(_LOOK_S)
                return
            self.bounds.look()


def load(
    dump: Stream,
    head: Head,
    bounds: Bounds,
    *,
    programs: Path,
    address: str,
    environment: Mapping[str, str],
) -> int:
    """Carry the rest of the dump into a database; returns the bytes that came after its first ones.

    Raises:
        NotRestored: nothing was committed.
    """
    plain = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", "-", "-d", address]
    custom = ["--exit-on-error", "--single-transaction", "-d", address]
    program = programs / ("psql" if head.kind == "plain" else "pg_restore")
    key = _restriction(programs) if head.kind == "plain" else b""
    with _started(
        [str(program), *(plain if head.kind == "plain" else custom)], bounds, environment
    ) as loader:
        size = 0
        with suppress(BrokenPipeError):  # it has ended before its input did: its own words say why
            loader.send(key)
            size = _carry(dump, head, loader)
        loader.finish()
        if loader.program.returncode != 0:
            raise meaning(
                loader.words.text or f"{program.name} ended with status {loader.program.returncode}"
            )
        if not size:
            raise NotRestored(RestoreErrorReason.DUMP_ERROR, f"{program.name} ended before the dump did")
    return size


def _carry(dump: Stream, head: Head, loader: _Loader) -> int:
    """Everything in small steps, the last bytes held back until they are known to be the end of a whole dump."""
    held, size, looked = head.first, 0, 0
    while more := dump.read(loader.bounds):
        size += len(more)
        held += more
        if len(held) > TAIL:
            loader.send(memoryview(held)[:-TAIL])
            held = held[-TAIL:]
        if size - looked > _LOOK_EVERY:
            loader.bounds.look()
            looked = size
    dump.ended_well()
    loader.send(whole_tail(head, held))
    return size + len(head.first)


def _restriction(programs: Path) -> bytes:
    """The line after which psql takes no command of its own (backslash and a word) from the dump, if it is new enough."""
    major, minor = program_version(programs / "psql")
    knows = major >= _SINCE_ALWAYS or minor >= _KNOWS_RESTRICT.get(major, minor + 1)
    return f"\\restrict {secrets.token_hex(24)}\n".encode() if knows else b""


@contextmanager
def _started(command: Sequence[str], bounds: Bounds, environment: Mapping[str, str]) -> Iterator[_Loader]:
    """Start it; at the end it has ended, if need be by force, which undoes what its transaction did."""
    program = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environment),
        bufsize=0,
    )
    assert program.stdin is not None  # noqa: S101 -- for the type checker: both are pipes
    assert program.stderr is not None  # noqa: S101
    os.set_blocking(program.stdin.fileno(), False)
    with suppress(OSError):  # a limit of the system's: then in smaller steps
        fcntl.fcntl(program.stdin, fcntl.F_SETPIPE_SZ, CHUNK)
    words = LastWords(program.stderr)
    try:
        yield _Loader(program, program.stdin, words, bounds)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
        words.join()
        program.stderr.close()
        program.stdin.close()

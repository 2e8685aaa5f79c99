"""Loading a dump with psql or pg_restore: streamed, its last bytes sent only once the dump is known to be complete."""

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
from systems.bzzz.restore.stream import CHUNK, StderrReader, ready
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
    """The running psql or pg_restore; its input goes through `send`."""

    program: subprocess.Popen[bytes]
    stdin: IO[bytes]
    words: StderrReader
    bounds: Bounds

    def send(self, data: bytes | memoryview) -> None:
        """Send more input. Raises NotRestored, or BrokenPipeError where the program has ended."""
        rest = memoryview(data)
        while rest:
            if not ready(self.stdin.fileno(), select.POLLOUT):
                self.bounds.look()
                continue
            with suppress(BlockingIOError):
                rest = rest[os.write(self.stdin.fileno(), rest) :]

    def finish(self) -> None:
        """Close its input, and wait until it has ended. Raises NotRestored."""
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
    """Load the dump into a database; returns its size in bytes, uncompressed.

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
        with suppress(BrokenPipeError):  # it ended before its input did: its stderr says why
            loader.send(key)
            size = _send_all(dump, head, loader)
        loader.finish()
        if loader.program.returncode != 0:
            raise meaning(
                loader.words.text or f"{program.name} ended with status {loader.program.returncode}"
            )
        if not size:
            raise NotRestored(RestoreErrorReason.DUMP_ERROR, f"{program.name} ended before the dump did")
    return size


def _send_all(dump: Stream, head: Head, loader: _Loader) -> int:
    """Send in small pieces; the last bytes are held back until they are known to be the end of a complete dump."""
    held, size, checked = head.first, 0, 0
    while more := dump.read(loader.bounds):
        size += len(more)
        held += more
        if len(held) > TAIL:
            loader.send(memoryview(held)[:-TAIL])
            held = held[-TAIL:]
        if size - checked > _LOOK_EVERY:
            loader.bounds.look()
            checked = size
    dump.ended_well()
    loader.send(whole_tail(head, held))
    return size + len(head.first)


def _restriction(programs: Path) -> bytes:
    r"""The \restrict line, after which psql runs no backslash command of the dump; empty for a psql that has none."""
    major, minor = program_version(programs / "psql")
    knows = major >= _SINCE_ALWAYS or minor >= _KNOWS_RESTRICT.get(major, minor + 1)
    return f"\\restrict {secrets.token_hex(24)}\n".encode() if knows else b""


@contextmanager
def _started(command: Sequence[str], bounds: Bounds, environment: Mapping[str, str]) -> Iterator[_Loader]:
    """Start it; at the end it is killed where it still runs, which rolls its transaction back."""
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
    with suppress(OSError):  # above the system's limit: then in smaller pieces
        fcntl.fcntl(program.stdin, fcntl.F_SETPIPE_SZ, CHUNK)
    words = StderrReader(program.stderr)
    try:
        yield _Loader(program, program.stdin, words, bounds)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
        words.join()
        program.stderr.close()
        program.stdin.close()

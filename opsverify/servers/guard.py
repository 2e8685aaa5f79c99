"""One guard process per run, so that no process, container or folder of the run outlives it, not even a SIGKILL."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

__all__ = ["Guard"]

RUN_VARIABLE = "OPSVERIFY_RUN"
CLOSING = timedelta(seconds=90)


class Guard:
    """Ends and removes everything registered with it, when it is closed or when this process ends in any way."""

    _open: ClassVar[WeakSet[Guard]] = WeakSet()

    def __init__(self) -> None:
        self.run_id: str = secrets.token_hex(16)
        """Marks the run's processes: each carries `OPSVERIFY_RUN=<run id>` in its environment."""
        self._lock = threading.Lock()
        script = Path(__file__).with_name("guard_process.py")
        # An outer run's mark is taken off: that run's guard would kill this one before it has cleaned up.
        unmarked = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
        # A child inherits the mask: the guard cannot be ended before it has come to ignore these signals.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(script), self.run_id, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env=unmarked,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._reapers: dict[int, Callable[[], object]] = {}
        self._closed = False
        self._open.add(self)

    @classmethod
    def close_all(cls) -> None:
        """Close every guard of this process: whoever still starts something under one meets ServerFailed at once."""
        for guard in list(cls._open):
            with suppress(ServerFailed):  # what is left of it, the guard itself goes on with
                guard.close()

    @property
    def closed(self) -> bool:
        """Whether everything registered is gone, or going."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environment(self) -> dict[str, str]:
        """Return the environment for a child: the parent's, with the run's mark."""
        return {**os.environ, RUN_VARIABLE: self.run_id}

    def group(self, pgid: int, reap: Callable[[], object] | None = None) -> None:
        """Have the process group `pgid` killed at the end; `reap` then takes up its exit status."""
        self._tell(f"group {pgid}")
        if reap is not None:
            self._reapers[pgid] = reap

    def release(self, pgid: int) -> None:
        """Forget the process group `pgid`, which has ended: its number may come to belong to a stranger."""
        self._reapers.pop(pgid, None)
        self._tell(f"release {pgid}")

    def folder(self, prefix: str, inside: Path | None = None) -> Path:
        """Make a temporary folder, readable by every user (a server may run as another), removed at the end.

        `inside` is where, in place of the system's temporary folder.
        """
        path = (inside or Path(tempfile.gettempdir())).resolve() / f"{prefix}{secrets.token_hex(6)}"
        self._tell(f"folder {path}")  # before it exists: a kill between the two leaves nothing
        path.mkdir(mode=0o700)
        path.chmod(0o755)  # whatever the umask says
        return path

    def file(self, path: Path) -> None:
        """Have a file removed at the end that a program makes where nobody can tell it otherwise."""
        self._tell(f"folder {path}")

    def keep(self, path: Path) -> None:
        """Do not remove `path` at the end after all."""
        self._tell(f"keep {path}")

    def container_label(self, label: str) -> None:
        """Have the Docker containers with this label removed at the end; said before one is made."""
        self._tell(f"container-label {label}")

    def container_made(self, label: str) -> None:
        """The container with this label is there, or never will be: nothing has to be awaited at the end."""
        self._tell(f"container-made {label}")

    def swarm_label(self, label: str) -> None:
        """Have what is in the daemon's swarm with this label removed at the end: services, secrets, configs, networks."""
        self._tell(f"swarm-label {label}")

    def swarm_made(self) -> None:
        """Have the daemon's swarm left at the end, if it carries this run's label; said before it is made."""
        self._tell(f"swarm-made {self.run_id}")

    def swarm_there(self) -> None:
        """The swarm is made, or never will be: it has not to be awaited at the end."""
        self._tell("swarm-there")

    def close(self) -> None:
        """End the run: when this returns, everything registered is gone.

        Raises:
            ServerFailed: naming what is left, or that the guard itself had ended before.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            left, _ = self._process.communicate(timeout=CLOSING.total_seconds())
        except subprocess.TimeoutExpired:
            msg = (
                f"the guard (pid {self._process.pid}) has not cleaned up within {CLOSING.total_seconds():g} s"
            )
            raise ServerFailed(msg) from None
        for reap in list(self._reapers.values()):
            reap()
        if self._process.returncode != 0:
            what = ", ".join(left.decode(errors="replace").split("\n")).strip(", ")
            msg = (
                f"the guard ended with status {self._process.returncode}; still there: {what or 'unknown'}. "
                f"Look for processes with {RUN_VARIABLE}={self.run_id}"
            )
            raise ServerFailed(msg)

    def _tell(self, line: str) -> None:
        if "\n" in line:
            msg = f"the guard takes one line, without a line break: {line!r}"
            raise ValueError(msg)
        with self._lock:
            if self._closed or self._process.stdin is None:
                msg = f"the guard is closed; nothing can be registered any more: {line}"
                raise ServerFailed(msg)
            try:
                self._process.stdin.write(f"{line}\n".encode(errors="surrogateescape"))
                self._process.stdin.flush()
            except BrokenPipeError:
                status = self._process.poll()
                msg = f"the guard (pid {self._process.pid}) has ended with status {status}; not registered: {line}"
                raise ServerFailed(msg) from None

"""A child process that is owned: in a process group of its own, logged, guarded, stopped with certainty."""

from __future__ import annotations

import os
import pwd
import random
import shlex
import signal
import socket
import subprocess
import time
from collections import deque
from contextlib import closing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from opsverify.servers.guard import Guard

__all__ = ["OwnedProcess", "free_port", "refuse_if_answers"]

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = (20000, 32000)
"""Outgoing connections take their ports above this, so none can take one between the choice and the start."""
_HELD: deque[int] = deque()
"""Descriptors of sockets bound to the ports that were promised last; they go with the process."""
MOST_HELD = 128
POLL_S = 0.01
STOPPING = timedelta(seconds=10)
ASKING = signal.SIGTERM
KILLING_S = 10.0
STRANGER_S = 0.5


class OwnedProcess:
    """One running child and all that it starts in its group."""

    def __init__(
        self, child: subprocess.Popen[bytes], argv: Sequence[str], *, name: str, guard: Guard, log: Path
    ) -> None:
        self.name = name
        self.pid = child.pid
        self._child, self._argv, self._guard, self._log = child, list(argv), guard, log

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        name: str,
        guard: Guard,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> OwnedProcess:
        """Start `argv`; output goes to the end of `log`; `env` replaces the environment, the run's mark is added.

        `user` is the user that the child becomes; only root can name one.
        """
        mark = guard.environment()
        environment = mark if env is None else {**env, "OPSVERIFY_RUN": mark["OPSVERIFY_RUN"]}
        try:
            with log.open("ab") as output:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=cwd,
                    process_group=0,
                    user=user,
                    group=None if user is None else pwd.getpwnam(user).pw_gid,
                    extra_groups=None if user is None else (),
                )
        except OSError as error:
            msg = f"{name} cannot be started: {error}; command: {shlex.join(argv)}"
            raise ServerFailed(msg) from error
        owned = cls(child, argv, name=name, guard=guard, log=log)
        try:
            guard.group(child.pid, owned._reap)
        except ServerFailed:  # nobody would end it
            owned.kill()
            raise
        return owned

    @property
    def alive(self) -> bool:
        """Whether the process itself has not ended (a paused one has not)."""
        return self.returncode is None

    @property
    def returncode(self) -> int | None:
        """Exit status, minus the signal's number when a signal ended it, None while it runs."""
        if self._child.returncode is None and self._ended():
            self._reap()
        return self._child.returncode

    def pause(self) -> None:
        """Stop the group where it stands: it holds its sockets and answers nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused group go on."""
        self.signal(signal.SIGCONT)

    def signal(self, signum: int) -> None:
        """Send a signal to the whole group; ServerFailed when the process has ended."""
        if not self.alive:
            msg = f"{self.name} has ended with status {self.returncode}, no signal {signum} can be sent to it"
            raise ServerFailed(msg)
        os.killpg(self.pid, signum)

    def kill(self) -> None:
        """SIGKILL the group and reap the child."""
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
            self._child_ends_within(KILLING_S)
            self._reap()

    def stop(self, within: timedelta = STOPPING, asking: int = ASKING) -> int:
        """Ask the group to end, kill it after `within`; returns the exit status. Can be called again."""
        if self.alive:
            os.killpg(self.pid, signal.SIGCONT)
            os.killpg(self.pid, asking)
            if not self._child_ends_within(within.total_seconds()):
                os.killpg(self.pid, signal.SIGKILL)
                self._child_ends_within(KILLING_S)
            self._reap()
        return self._child.wait(0)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 200 * lines))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def wait_ready(self, probe: Callable[[], str | None], within: timedelta) -> None:
        """Probe until it returns None; a text says what was seen instead.

        Raises:
            ServerFailed: at once when the child has ended, or when `within` is over.
        """
        begin, tries = time.monotonic(), 0
        while (seen := probe()) is not None:
            tries += 1
            waited = time.monotonic() - begin
            if not self.alive:
                self._fail(f"ended with status {self.returncode} after {waited:.1f} s, before it was ready")
            if waited > within.total_seconds():
                self._fail(f"was not ready after {waited:.1f} s and {tries} tries; last seen: {seen}")
            time.sleep(POLL_S)

    def wait_done(self, within: timedelta) -> None:
        """Wait until it has ended well by itself.

        Raises:
            ServerFailed: it ended with another status than 0, or was killed because `within` is over.
        """
        if not self._child_ends_within(within.total_seconds()):
            self.kill()
            self._fail(f"had not ended after {within.total_seconds():g} s")
        if self.returncode != 0:
            self._fail(f"ended with status {self.returncode}")

    def _fail(self, what: str) -> None:
        msg = f"{self.name} {what}\n  command: {shlex.join(self._argv)}\n  end of {self._log}:\n"
        raise ServerFailed(msg + self.log_tail())

    def _ended(
        self,
    ) -> bool:  # looks without reaping: the group's number stays ours until _reap has killed it
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _child_ends_within(self, allowed_s: float) -> bool:
        end = time.monotonic() + allowed_s
        while not (ended := self._ended()) and time.monotonic() < end:
            time.sleep(POLL_S)
        return ended

    def _reap(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            self._child.wait(KILLING_S)
        except subprocess.TimeoutExpired:
            msg = f"{self.name} (pid {self.pid}) is still there {KILLING_S:g} s after SIGKILL"
            raise ServerFailed(msg) from None
        with suppress(ServerFailed):  # a closed guard has killed the group itself
            self._guard.release(self.pid)


def free_port() -> int:
    """A loopback TCP port that nobody uses, and that no other run on this machine will be promised before it is used.

    A bound socket that does not listen holds it: a server binds beside it (servers set SO_REUSEADDR), while whoever
    looks for a free port, here or in another process, does not.
    """
    for _ in range(200):
        port = random.SystemRandom().randint(*BELOW_EPHEMERAL)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))  # without SO_REUSEADDR: refused where anybody holds it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _HELD.append(probe.detach())
            if len(_HELD) > MOST_HELD:
                os.close(_HELD.popleft())
            return port
    msg = "no free TCP port on {} between {} and {} after 200 tries".format(LOOPBACK, *BELOW_EPHEMERAL)
    raise ServerFailed(msg)


def refuse_if_answers(host: str, port: int) -> None:
    """Raise ServerFailed unless a connection to `host:port` is refused."""
    try:
        socket.create_connection((host, port), timeout=STRANGER_S).close()
    except ConnectionRefusedError:
        return
    except OSError as error:
        msg = f"{host}:{port} should refuse connections before a server is started there, but: {error}"
        raise ServerFailed(msg) from error
    msg = f"a stranger already answers on {host}:{port}; end it, or choose another port"
    raise ServerFailed(msg)

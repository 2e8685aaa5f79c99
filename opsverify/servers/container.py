"""A container that is owned: labelled for the guard, on loopback alone, stopped with certainty; shaped as OwnedProcess."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import docker.errors
import requests
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import WaitStrategy

from opsverify.servers.process import LOOPBACK, refuse_if_answers
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from docker.models.containers import Container
    from testcontainers.core.waiting_utils import WaitStrategyTarget

    from opsverify.servers.guard import Guard

__all__ = ["OwnedContainer"]

POLL_S = 0.02
STOPPING = timedelta(seconds=10)
ENDING_S = 15.0
RUN_LABEL = "opsverify.run"
SERVER_LABEL = "opsverify.server"


class OwnedContainer:
    """One container with one published port, always the same, and the probe that tells when it is ready."""

    def __init__(
        self,
        image: str,
        *,
        name: str,
        guard: Guard,
        port: tuple[int, int],
        command: Sequence[str],
        env: Mapping[str, str],
        probe: Callable[[], str | None],
        within: timedelta,
        stop_signal: str = "SIGTERM",
        reads: Path | None = None,
        shares: Path | None = None,
    ) -> None:
        """`port` is the host's and the container's; nothing is started yet. `shares` is a folder of this machine that
        it sees under the same path, and may write to.

        With `reads` the container stands in the host's own network, and must bind loopback itself: what it asks
        for, and the folder that it may read, are this machine's.
        """
        # The guard removes what is left, also where the reaper's image cannot be pulled.
        testcontainers_config.ryuk_disabled = True
        testcontainers_config.connection_mode_override = ConnectionMode.docker_host
        self.name, self._guard, self._port = name, guard, port[0]
        self._label = f"{SERVER_LABEL}={guard.run_id}-{secrets.token_hex(4)}"
        self._ready = _Answers(self, probe, within)
        key, _, value = self._label.partition("=")
        labels = {RUN_LABEL: guard.run_id, key: value}
        with self._daemon():
            self._made = DockerContainer(image, env=dict(env)).with_command(list(command))
            more = {} if reads is None else {"network_mode": "host"}
            self._made.with_kwargs(labels=labels, stop_signal=stop_signal, **more).waiting_for(self._ready)
            if reads is None:
                # `with_bind_ports` takes no address, and without one Docker publishes to the whole network.
                self._made.ports[f"{port[1]}/tcp"] = (LOOPBACK, port[0])  # type: ignore[assignment]
            else:
                self._made.with_volume_mapping(str(reads), str(reads), "ro")
            if shares is not None:
                self._made.with_volume_mapping(str(shares), str(shares), "rw")

    def start(self) -> None:
        """Make it, start it and wait until it is ready.

        Raises:
            ServerFailed: at once when it has ended, or when the time is over.
        """
        refuse_if_answers(LOOPBACK, self._port)
        self._guard.container_label(self._label)
        try:
            with self._daemon():
                self._made.start()
        finally:
            self._guard.container_made(self._label)

    def start_again(self) -> None:
        """Start the same container on the same port, with what its disk holds, and wait until it is ready.

        Raises:
            ServerFailed: it still runs, ends again at once, or is not ready in time.
        """
        if self.alive:
            msg = f"{self.name} still runs on port {self._port} (container {self._inner.short_id}); stop or kill it first"
            raise ServerFailed(msg)
        refuse_if_answers(LOOPBACK, self._port)
        with self._daemon():
            self._inner.start()
            self._ready.wait_until_ready(self._made)

    @property
    def alive(self) -> bool:
        """Whether it has not ended (a paused one has not)."""
        return self.status in {"created", "running", "paused", "restarting"}

    @property
    def status(self) -> str:
        """Docker's word for its state."""
        with self._daemon():
            try:
                self._inner.reload()
            except docker.errors.NotFound:
                return "removed"
            return str(self._inner.status)

    @property
    def returncode(self) -> int | None:
        """Exit status, 128 and the signal's number when a signal ended it, None while it runs."""
        if self.alive:
            return None
        return int(self._inner.attrs["State"]["ExitCode"])

    def pause(self) -> None:
        """Stop it where it stands: it holds its sockets and answers nothing."""
        with self._daemon():
            self._inner.pause()

    def resume(self) -> None:
        """Let a paused container go on."""
        with self._daemon():
            self._inner.unpause()

    def kill(self) -> None:
        """SIGKILL it; it stays, with its disk, until the guard removes it."""
        if self.alive:
            self._thaw()
            with self._daemon():
                self._inner.kill()
            self._await_end()

    def stop(self, within: timedelta = STOPPING) -> int:
        """Ask it to end, kill it after `within`; returns the exit status. Can be called again."""
        if self.alive:
            self._thaw()
            with self._daemon():
                self._inner.stop(timeout=round(within.total_seconds()))
            self._await_end()
        status = self.returncode
        return -1 if status is None else status

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it wrote."""
        with self._daemon():
            written: bytes = self._inner.logs(tail=lines)
            return written.decode(errors="replace")

    def run(self, argv: Sequence[str], *, user: str, env: Mapping[str, str], within: timedelta) -> None:
        """Run a program inside it, to its end; Docker's own time limit bounds it where `within` is shorter.

        Raises:
            ServerFailed: it ended with another status than 0.
        """
        begin = time.monotonic()
        with self._daemon():
            status, written = self._inner.exec_run(list(argv), user=user, environment=dict(env))
        if status != 0 or time.monotonic() - begin > within.total_seconds():
            took = time.monotonic() - begin
            said = (written if isinstance(written, bytes) else b"").decode(errors="replace")[-2000:]
            msg = f"{argv[0]} in the container of {self.name} ended with status {status} after {took:.1f} s:\n{said}"
            raise ServerFailed(msg)

    @property
    def _inner(self) -> Container:
        return self._made.get_wrapped_container()

    def _thaw(self) -> None:
        if self.status == "paused":
            self.resume()

    def _await_end(self) -> None:
        end = time.monotonic() + ENDING_S
        while self.alive:
            if time.monotonic() > end:
                msg = f"the container of {self.name} is still {self.status} after {ENDING_S:g} s"
                raise ServerFailed(msg)
            time.sleep(POLL_S)

    @contextmanager
    def _daemon(self) -> Iterator[None]:
        """Docker's errors become ours; no connection to the daemon stays open."""
        try:
            yield
        except (docker.errors.DockerException, requests.RequestException) as error:
            msg = f"the container of {self.name}: Docker says: {error}"
            raise ServerFailed(msg) from None
        finally:
            if hasattr(self, "_made"):
                self._made.get_docker_client().client.close()


class _Answers(WaitStrategy):
    """Ready when the probe returns None; over at once when the container has ended, and not at the time's end only."""

    def __init__(self, owned: OwnedContainer, probe: Callable[[], str | None], within: timedelta) -> None:
        super().__init__()
        self._owned, self._probe, self._within = owned, probe, within

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:  # noqa: ARG002 -- the owner knows more of it
        """Probe until it is ready.

        Raises:
            ServerFailed: it has ended, or the time is over.
        """
        begin, tries = time.monotonic(), 0
        while (seen := self._probe()) is not None:
            tries += 1
            waited = time.monotonic() - begin
            if not self._owned.alive:
                self._fail(
                    f"ended with status {self._owned.returncode} after {waited:.1f} s, before it was ready"
                )
            if waited > self._within.total_seconds():
                self._fail(f"was not ready after {waited:.1f} s and {tries} tries; last seen: {seen}")
            time.sleep(POLL_S)

    def _fail(self, what: str) -> None:
        msg = f"the container of {self._owned.name} {what}\n  end of its log:\n{self._owned.log_tail()}"
        raise ServerFailed(msg)

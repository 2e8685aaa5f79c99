"""A server of one binary with one configuration file, which it reads again while it runs."""

from __future__ import annotations

import http.client
import os
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, Self, TypeVar

from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port, refuse_if_answers
from opsverify.servers.server import Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opsverify.servers.guard import Guard
    from opsverify.servers.providers import Owned

__all__ = [
    "OK",
    "READY",
    "BinaryServer",
    "ConfiguredServer",
    "Program",
    "ServerConfiguration",
    "ask_page",
    "find_binary",
    "reload_config",
]

READY = timedelta(seconds=30)
SYSTEM_FOLDERS = ("/usr/bin", "/usr/local/bin", "/usr/sbin")
OK = 200
ANSWER_S = 2.0


class ServerConfiguration(Protocol):
    """What such a server does."""

    def write(self, folder: Path) -> None:
        """Put it, and what belongs to it, into `folder`."""


C = TypeVar("C", bound=ServerConfiguration)


def find_binary(*names: str) -> Path | None:
    """The first of these programs that this machine has, or None."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    found = next((path for name in names if (path := shutil.which(name, path=folders))), None)
    return None if found is None else Path(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Such a program: its binaries and Debian package, its configuration file and options, how it says that it is ready.

    `data` is the option that takes its data folder; `not_ready` and `version` ask the server on a loopback port.
    """

    name: str
    binaries: tuple[str, ...]
    package: str
    config: str
    data: str
    options: tuple[str, ...]
    not_ready: Callable[[int], str | None]
    version: Callable[[int], str]

    def find(self) -> Path | None:
        """Its binary on this machine, or None; no Python package carries one."""
        return find_binary(*self.binaries)

    def arguments(self, folder: Path, data: str, port: int) -> list[str]:
        """Its command line but for the binary."""
        return [
            f"--config.file={folder / self.config}",
            f"{self.data}={data}",
            f"--web.listen-address={LOOPBACK}:{port}",
            *self.options,
        ]


class BinaryServer:
    """One binary that serves HTTP on loopback. Its data survive a kill and go with its folder."""

    NAME: ClassVar[str]

    def __init__(self, *, argv: Sequence[str], port: int, folder: Path, guard: Guard) -> None:
        self._argv, self._port, self._folder, self._guard = list(argv), port, folder, guard
        self.process = self._launch()

    @property
    def url(self) -> str:
        """Address of its HTTP surface."""
        return f"http://{LOOPBACK}:{self._port}"

    def pause(self) -> None:
        """Stop it where it stands: it accepts connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let a paused one go on."""
        self.process.resume()

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()

    def start_again(self) -> None:
        """Start it on the same port, with the data it had; it must have ended before."""
        if self.process.alive:
            msg = (
                f"{self.NAME} still runs on port {self._port} (pid {self.process.pid}); stop or kill it first"
            )
            raise ServerFailed(msg)
        self.process = self._launch()

    def stop(self) -> None:
        """End it; can be called again."""
        self.process.stop()

    def _not_ready(self) -> str | None:
        """None when it says that it is ready, else what came instead."""
        raise NotImplementedError

    def _launch(self) -> OwnedProcess:
        refuse_if_answers(LOOPBACK, self._port)
        log = self._folder / f"{self.NAME}.log"
        started = OwnedProcess.start(self._argv, name=self.NAME, guard=self._guard, log=log, cwd=self._folder)
        started.wait_ready(self._not_ready, READY)
        return started


class ConfiguredServer(BinaryServer, Generic[C]):
    """One such server with a configuration file, which it reads again while it runs."""

    PROGRAM: ClassVar[Program]

    def __init__(self, *, binary: Path, config: C, port: int, folder: Path, guard: Guard) -> None:
        config.write(folder)
        argv = [str(binary), *self.PROGRAM.arguments(folder, str(folder / "data"), port)]
        super().__init__(argv=argv, port=port, folder=folder, guard=guard)
        self.provided = Provided(
            host=LOOPBACK,
            port=port,
            backend="local binary",
            version=self.PROGRAM.version(port),
            origin=str(binary),
        )

    @classmethod
    def start(cls, *, config: C, guard: Guard, port: int | None = None, folder: Path | None = None) -> Self:
        """Start one and wait until it is ready.

        Raises:
            ServerFailed: there is no binary, or it does not become ready.
        """
        binary = cls.PROGRAM.find()
        if binary is None:
            name, package = cls.PROGRAM.name.capitalize(), cls.PROGRAM.package
            msg = f"no {name} found on this machine; to have one: `apt-get install {package}`"
            raise ServerFailed(msg)
        port = free_port() if port is None else port
        folder = guard.folder(f"opsverify-{cls.PROGRAM.name}-") if folder is None else folder
        return cls(binary=binary, config=config, port=port, folder=folder, guard=guard)

    def reload(self, config: C) -> None:
        """Give it another configuration. Raises ServerFailed where it refuses that."""
        config.write(self._folder)
        reload_config(self.PROGRAM.name, self._port, self.process)

    def _not_ready(self) -> str | None:
        return self.PROGRAM.not_ready(self._port)


def reload_config(name: str, port: int, process: Owned) -> None:
    """Have it read its configuration again. ServerFailed with its own words, and its log, where it refuses it."""
    try:
        status, body = ask_page("POST", port, "/-/reload")
    except (OSError, http.client.HTTPException) as error:
        status, body = 0, str(error).encode()
    if status != OK:
        told = f"{status} {body[:300].decode(errors='replace').strip()}"
        msg = f"{name} on port {port} does not take its configuration: {told}\n  end of its log:\n{process.log_tail(5)}"
        raise ServerFailed(msg)


def ask_page(method: str, port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a page on a loopback port. OSError or HTTPException where there is none."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()

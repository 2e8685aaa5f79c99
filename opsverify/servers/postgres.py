"""A PostgreSQL server of the run's own, on loopback, quick to start, with its data in a folder of the run."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from opsverify.servers.guard_process import descendants
from opsverify.servers.postgres_binaries import (
    dropped_user,
    find_postgres,
    readable_by,
    refuse_unless_reachable,
)
from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port, refuse_if_answers
from opsverify.servers.server import Backend, Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsverify.servers.guard import Guard

__all__ = ["USER", "PostgresServer", "find_postgres", "login_failure", "server_version"]

USER = "opsverify"
MAINTENANCE = "postgres"
READY = timedelta(seconds=20)
INITDB = timedelta(seconds=60)
STOPPING = timedelta(seconds=15)
RUNNING = timedelta(seconds=60)
GONE_S = 10.0
CONNECT_S = 2
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "fsync": "off",  # a killed server loses nothing by that, only a crashed machine would
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "50",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: nothing is left in /dev/shm after a SIGKILL
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresServer:
    """One server whose data survives a kill. It asks for a password (scram) on TCP and on its socket.

    `bin` is the folder of its programs, `data` its data folder, `sockets` the folder of its Unix socket.
    """

    process: OwnedProcess

    def __init__(self, *, programs: Path, backend: Backend, guard: Guard, folder: Path, port: int) -> None:
        self.bin, self.data, self.sockets = programs, folder / "data", folder / "socket"
        self.user = dropped_user()
        self.password = secrets.token_urlsafe(24)
        self.database = MAINTENANCE
        self._backend, self._guard, self._folder, self._port = backend, guard, folder, port

    @classmethod
    def start(
        cls,
        *,
        origins: Sequence[str],
        guard: Guard,
        folder: Path | None = None,
        database: str = "opsverify",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        initdb: Sequence[str] = (),
    ) -> PostgresServer:
        """Start one and wait until it lets its user in; data, log and socket are in `folder`, or a temporary one.

        `settings` are more lines of `postgresql.conf`, `initdb` more options of that program.
        """
        programs, backend = find_postgres(origins)
        port = free_port() if port is None else port
        refuse_if_answers(LOOPBACK, port)
        user = dropped_user()
        folder = guard.folder("opsverify-postgres-") if folder is None else folder
        refuse_unless_reachable(folder, user)
        programs = readable_by(user, programs, guard)
        server = cls(programs=programs, backend=backend, guard=guard, folder=folder, port=port)
        server._make_cluster({**SETTINGS, **(settings or {})}, initdb)
        server.start_again()
        try:
            server._make_database(database)
        except BaseException:
            server.kill()
            raise
        return server

    @property
    def url(self) -> str:
        """Address of the database, with the password."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self._port}/{self.database}"

    def kill(self) -> None:
        """SIGKILL the whole server: the postmaster and every process that it has started."""
        if not self.process.alive:
            return
        self.process.pause()  # a stopped postmaster starts no more backends
        family = descendants({self.process.pid})
        self.process.kill()
        _signal_each(family, signal.SIGKILL)
        _await_gone(family)

    def start_again(self) -> None:
        """Start it on the same data and port; it must have ended before."""
        if hasattr(self, "process") and self.process.alive:
            msg = (
                f"postgresql still runs on port {self._port} (pid {self.process.pid}); stop or kill it first"
            )
            raise ServerFailed(msg)
        refuse_if_answers(LOOPBACK, self._port)
        self.process = self._run("postgres", "-D", str(self.data))
        try:
            self.process.wait_ready(lambda: login_failure(self.url, self.data), READY)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Fast shutdown: clients are cut off, data is written; can be called again."""
        if self.process.alive:
            self.resume()
            self.process.stop(STOPPING, asking=signal.SIGINT)

    def pause(self) -> None:
        """Stop it where it stands, the backends of clients included: it accepts connections and answers nothing."""
        self.process.pause()
        _signal_each(descendants({self.process.pid}), signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        _signal_each(descendants({self.process.pid}), signal.SIGCONT)
        self.process.resume()

    def run(self, *argv: str, within: timedelta = RUNNING) -> None:
        """Run a program beside the server, as the user that the server runs as, with the way to its database.

        Raises:
            ServerFailed: it is not there, ended with another status than 0, or had not ended in time.
        """
        path = f"{self.bin}:/usr/bin:/bin"
        program = shutil.which(argv[0], path=path)
        if program is None:
            msg = f"there is no program {argv[0]} in {path}"
            raise ServerFailed(msg)
        way = {"PGHOST": LOOPBACK, "PGPORT": str(self._port), "PGDATABASE": self.database}
        way |= {"PGUSER": USER, "PGPASSWORD": self.password}
        self._run(program, *argv[1:], log="programs.log", env=way).wait_done(within)

    def _make_cluster(self, settings: Mapping[str, str], more: Sequence[str]) -> None:
        for folder in (self.data, self.sockets):
            folder.mkdir(mode=0o700)
            self._give(folder)
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        self._give(secret)
        secret.write_text(f"{self.password}\n", encoding="ascii")
        options = ["--locale=C", "--encoding=UTF8", "--no-sync", "--auth=scram-sha-256", *more]
        try:
            initdb = self._run(
                "initdb", "-D", str(self.data), "-U", USER, f"--pwfile={secret}", *options, log="initdb.log"
            )
            initdb.wait_done(INITDB)
        finally:
            secret.unlink()
        own = {"port": str(self._port), "unix_socket_directories": str(self.sockets)}
        lines = [
            f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n"
            for name, value in {**settings, **own}.items()
        ]
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.writelines(["\n", *lines])

    def _make_database(self, name: str) -> None:
        with psycopg.connect(self.url, connect_timeout=CONNECT_S, autocommit=True) as connection:
            if name != MAINTENANCE:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            version = server_version(connection)
        self.database = name
        origin = str(self.bin / "postgres")
        self.provided = Provided(
            host=LOOPBACK, port=self._port, backend=self._backend, version=version, origin=origin
        )

    def _run(
        self,
        program: str,
        *arguments: str,
        log: str = "postgresql.log",
        env: Mapping[str, str] | None = None,
    ) -> OwnedProcess:
        """Start one of PostgreSQL's programs as the user that it runs as, with none of our environment."""
        return OwnedProcess.start(
            [str(self.bin / program), *arguments],
            name="postgresql" if program == "postgres" else program,
            guard=self._guard,
            log=self._folder / log,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **(env or {})},
            cwd=self._folder,
            user=self.user,
        )

    def _give(self, path: Path) -> None:
        if self.user is not None:
            shutil.chown(path, self.user)


def login_failure(url: str, data: Path | None = None) -> str | None:
    """What a login and `SELECT 1` met, None when they went well; `data` is the folder that must be the server's."""
    asked = sql.SQL("SELECT 1::text" if data is None else "SELECT current_setting('data_directory')")
    expected = "1" if data is None else str(data)
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_S, autocommit=True) as connection:
            row = connection.execute(asked).fetchone()
    except psycopg.Error as error:
        return f"logging in: {' '.join(str(error).split())}"
    return None if row == (expected,) else f"a stranger answers there: {asked.as_string()} gave {row}"


def server_version(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """Engine and version, as `postgresql 15.18`."""
    row = connection.execute("SHOW server_version").fetchone()
    return f"postgresql {str(row[0]).split()[0]}" if row else "postgresql of unknown version"


def _signal_each(pids: set[int], signum: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _await_gone(pids: set[int]) -> None:
    end = time.monotonic() + GONE_S
    while alive := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > end:
            msg = f"processes of PostgreSQL are still there {GONE_S:g} s after SIGKILL: {alive}"
            raise ServerFailed(msg)
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

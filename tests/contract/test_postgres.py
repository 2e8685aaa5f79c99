"""PostgreSQL of the run's own, from this machine and from the wheel: who gets in, what survives, what is left."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from opsverify.servers import postgres_binaries
from opsverify.servers.guard import Guard
from opsverify.servers.guard_process import descendants
from opsverify.servers.postgres import PostgresServer, find_postgres, login_failure
from opsverify.servers.process import free_port
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
ROOT = Path(__file__).resolve().parents[2]
BUSY = "DO $$ BEGIN LOOP END LOOP; END $$"
PARENT = f"""
import json, sys, threading, time
import psycopg
from opsverify.servers.guard import Guard
from opsverify.servers.guard_process import descendants
from opsverify.servers.postgres import PostgresServer

guard = Guard()
server = PostgresServer.start(origins=[sys.argv[1]], guard=guard)
busy = psycopg.connect(server.url)
threading.Thread(target=busy.execute, args=({BUSY!r},), daemon=True).start()
time.sleep(0.2)
print(json.dumps({{"pids": [server.process.pid, *descendants({{server.process.pid}})],
                  "guard": guard._process.pid, "folder": str(server.data.parent)}}), flush=True)
time.sleep(300)
"""


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


@pytest.fixture(params=["local", "wheel"])
def origin(request: pytest.FixtureRequest) -> str:
    """Name each place that PostgreSQL's programs come from; no installed PostgreSQL is a reason to skip, outside CI."""
    chosen = str(request.param)
    try:
        find_postgres([chosen])
    except ServerFailed as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(failed))
    return chosen


@pytest.fixture
def server(origin: str, guard: Guard) -> PostgresServer:
    """Give a server from one of the origins."""
    return PostgresServer.start(origins=[origin], guard=guard)


def values(url: str, query: str = "SELECT n FROM kept") -> list[tuple[object, ...]]:
    """Rows of a query in a connection of its own."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute(query.encode()).fetchall()


def run(url: str, *statements: str) -> None:
    """Run statements, each committed by itself."""
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def segments() -> list[str]:
    """System V segments that are there."""
    return Path("/proc/sysvipc/shm").read_text().splitlines()[1:]


def running(pid: int) -> bool:
    """Whether such a process runs; one that only waits to be reaped runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_user_with_the_password_gets_in(origin: str, server: PostgresServer) -> None:
    """The server is what it says it is, answers on loopback alone, and its user logs in with a password of the run's own."""
    backend = {"local": "local binary", "wheel": "wheel"}[origin]
    assert (server.provided.host, server.provided.backend) == ("127.0.0.1", backend)
    engine, version = server.provided.version.split()
    assert (engine, int(version.split(".")[0]) >= 14) == ("postgresql", True)
    assert values(server.url, "SELECT current_database(), current_user::text") == [("opsverify", "opsverify")]
    assert values(server.url, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert str(values(server.url, "SHOW server_version")[0][0]).startswith(version)
    assert (server.bin / "initdb").exists()
    assert server.data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("there", ["over TCP", "by the socket"])
def test_a_wrong_password_is_refused(server: PostgresServer, there: str) -> None:
    """Nobody gets in without the password, neither over TCP nor by the Unix socket."""
    host = "127.0.0.1" if there == "over TCP" else str(server.sockets)
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host=host,
                port=server.provided.port,
                user="opsverify",
                dbname="opsverify",
                password=password,
                passfile="/nonexistent",
            )


def test_data_survives_a_kill(server: PostgresServer) -> None:
    """What was committed is there after SIGKILL and a new start, on the same address, even with a query running."""
    run(server.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    url, postmaster = server.url, server.process.pid
    with closing(psycopg.connect(server.url)) as busy:
        busy.pgconn.send_query(BUSY.encode())
        family = descendants({postmaster})
        server.kill()
        assert not [pid for pid in (postmaster, *family) if running(pid)]
    with pytest.raises(psycopg.OperationalError, match="refused"):
        values(url)
    server.start_again()
    assert (server.url, values(url)) == (url, [(7,)])
    with pytest.raises(ServerFailed, match="still runs"):
        server.start_again()
    server.stop()
    server.stop()
    server.start_again()
    assert values(url) == [(7,)]
    assert "shutting down" in server.process.log_tail(30)


def test_a_paused_server_answers_nobody(server: PostgresServer) -> None:
    """A paused server answers neither a new login nor an open connection, and goes on where it stood."""
    with closing(psycopg.connect(server.url)) as held:
        server.pause()
        held.pgconn.send_query(b"SELECT 1")
        held.pgconn.flush()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(server.url, connect_timeout=2)
        assert select.select([held], [], [], 0)[0] == []
        server.resume()
        result = held.pgconn.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"1"
    assert values(server.url, "SELECT 2") == [(2,)]
    server.pause()
    server.stop()
    assert not server.process.alive


def test_nothing_survives_the_parent(origin: str) -> None:
    """SIGKILL of the run leaves no process of PostgreSQL, one in an endless query included, no folder, no shared memory."""
    before = segments()
    with subprocess.Popen([sys.executable, "-c", PARENT, origin], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        assert len([pid for pid in told["pids"] if running(pid)]) >= 5
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    end = time.monotonic() + 15
    while any(running(pid) for pid in [*told["pids"], told["guard"]]):
        assert time.monotonic() < end, [pid for pid in told["pids"] if running(pid)]
        time.sleep(0.05)
    assert not Path(told["folder"]).exists()
    mine = {str(pid) for pid in told["pids"]}
    assert [line for line in segments() if line not in before and line.split()[4] in mine] == []


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        (["elsewhere"], r"unknown origin of PostgreSQL 'elsewhere'; right would be \"local\" or \"wheel\""),
        ([], r"no origin at all; to have one: name at least one origin"),
        (["local"], r"no PostgreSQL found in local; to have one: `apt-get install postgresql`"),
    ],
)
def test_what_cannot_be_found_is_named_with_its_cure(
    origins: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An origin that does not exist, or has no PostgreSQL, is named with what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_binaries, "DEBIAN", tmp_path)
    with pytest.raises(ServerFailed, match=expected):
        find_postgres(origins)


def test_a_stranger_on_the_port_is_not_taken_for_it(guard: Guard) -> None:
    """A port on which something answers already is refused, before anything is made."""
    with socket.create_server(("127.0.0.1", free_port())) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"a stranger already answers on 127.0.0.1:{port}"):
            PostgresServer.start(origins=["local", "wheel"], guard=guard, port=port)


def test_a_server_that_ends_is_told_at_once(guard: Guard) -> None:
    """A server that dies before it is ready is named at once, with its last words."""
    begin = time.monotonic()
    with pytest.raises(ServerFailed, match=r"(?s)postgresql ended with status 1 .*no_such_setting"):
        PostgresServer.start(
            origins=["local", "wheel"], guard=guard, settings={"no_such_setting": "it's not there"}
        )
    assert time.monotonic() - begin < 10


@pytest.fixture
def closed_wheel(tmp_path: Path) -> Path:
    """The programs of a wheel in a folder that nobody but root can enter, as below /root."""
    programs, _ = find_postgres(["wheel"])
    site, package = programs.parents[2], programs.parents[1].name
    closed = tmp_path / "closed"
    for part in (programs.parent.relative_to(site), Path(f"{package}.libs")):
        shutil.copytree(site / part, closed / part, symlinks=True)
    closed.chmod(0o700)
    return closed / programs.relative_to(site)


@ROOT_ONLY
def test_two_servers_at_once_have_a_tree_each(
    guard: Guard, closed_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two twins that start at the same moment, from nothing, each run the wheel's programs, which neither can spoil."""
    monkeypatch.setattr("opsverify.servers.postgres.find_postgres", lambda _origins: (closed_wheel, "wheel"))
    with ThreadPoolExecutor() as pool:
        started = list(pool.map(lambda _: PostgresServer.start(origins=["wheel"], guard=guard), range(3)))
    assert [login_failure(server.url) for server in started] == [None] * 3
    assert len({server.bin for server in started}) == 3
    assert not any(server.bin.is_relative_to(closed_wheel) for server in started)


@ROOT_ONLY
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["linked", "copied"])
def test_the_other_user_can_run_what_root_alone_could_reach(
    guard: Guard, closed_wheel: Path, mode: int
) -> None:
    """Whatever modes an installation has, the tree is for everybody to use and as it was; the original stays as it is."""
    (closed_wheel / "postgres").chmod(mode)
    user = postgres_binaries.dropped_user()
    programs = postgres_binaries.readable_by(user, closed_wheel, guard)
    subprocess.run([programs / "postgres", "--version"], check=True, user=user, capture_output=True)
    assert stat.S_IMODE((closed_wheel / "postgres").stat().st_mode) == mode
    assert (programs / "postgres").samefile(closed_wheel / "postgres") is (mode == 0o755)


@ROOT_ONLY
def test_a_data_folder_that_the_other_user_cannot_reach_is_refused(guard: Guard, closed_wheel: Path) -> None:
    """The first part of the way that is closed is named."""
    with pytest.raises(ServerFailed, match=r"PostgreSQL runs as .* cannot pass "):
        PostgresServer.start(origins=["local", "wheel"], guard=guard, folder=closed_wheel)

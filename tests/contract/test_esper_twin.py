"""The Esper twin against the facts: the surfaces of Nissa, the groups of Oona, backpressure, a black hole."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from redis import Redis

from fixtures.control import ControlFailed
from fixtures.esper.twin import messages
from fixtures.esper.twin.bus import Publisher, TwinStreams, connect, ensure_groups
from fixtures.esper.twin.stack import EsperStack
from opsverify.servers.guard import Guard
from opsverify.servers.redis import RedisServer, find_redis
from opsverify.servers.server import ServerFailed
from systems.esper.bus.entries import decode_entry, encode_entry
from systems.esper.leyline import leyline_pb2 as leyline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret of the twin"
FAMILIES = {
    "esper_training_runs",
    "esper_telemetry_packets",
    "esper_system_state_packets",
    "esper_field_reports",
    "esper_simic_training_reward",
    "esper_simic_training_iterations",
}
STREAMS = TwinStreams()


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


@pytest.fixture
def server(guard: Guard) -> RedisServer:
    """Give a Redis of the test's own."""
    return RedisServer.start(origins=["local", "wheel"], guard=guard)


def twin(guard: Guard, *trainer: str, origin: str | None = None, secret: str | None = SECRET) -> EsperStack:
    """Start a twin, skip when there is no such Redis."""
    origins = ["local", "wheel"] if origin is None else [origin]
    try:
        find_redis(origins)
    except ServerFailed as missing:
        pytest.skip(str(missing))
    return EsperStack.start(origins=origins, guard=guard, secret=secret, trainer=trainer)


def ask(stack: EsperStack, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and body of an answer of Nissa."""
    connection = http.client.HTTPConnection(stack.nissa_url.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.headers.get("Content-Type", ""), reply.read().decode()
    finally:
        connection.close()


def counters(stack: EsperStack) -> dict[str, float]:
    """Samples of /metrics but for the moments of creation."""
    lines = [line for line in ask(stack, "/metrics")[2].splitlines() if not line.startswith("#")]
    samples = dict(line.rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in samples.items() if "_created" not in name}


def alerts(stack: EsperStack) -> dict[str, object]:
    """Active alerts of /metrics/summary."""
    found: dict[str, object] = json.loads(ask(stack, "/metrics/summary")[2])["alerts"]
    return found


def until(look: Callable[[], T], holds: Callable[[T], bool], within: timedelta = timedelta(seconds=10)) -> T:
    """Look until it holds; return what was seen."""
    begin = time.monotonic()
    while not holds(seen := look()):
        waited = time.monotonic() - begin
        assert waited < within.total_seconds(), f"after {waited:.1f} s, last seen: {seen}"
        time.sleep(0.03)
    return seen


def backlog(stack: EsperStack) -> dict[str, tuple[int, int]]:
    """Lag and pending of Nissa's group on the streams that Nissa reads."""
    with Redis.from_url(stack.redis_url) as redis:
        names = ("oona.telemetry", "oona.normal")
        groups = {name: redis.xinfo_groups(name)[0] for name in names}
        return {name: (group["lag"], group["pending"]) for name, group in groups.items()}


@pytest.mark.parametrize("origin", ["local", "wheel"])
def test_a_run_is_taken_in_and_shown_as_by_the_real_nissa(guard: Guard, origin: str) -> None:
    """Two runs of three epochs end up in the six counters, nothing lags, nothing is pending, nothing is lost."""
    stack = twin(guard, "--runs", "2", "--interval-ms", "20", origin=origin)
    expected = {
        "esper_training_runs_total": 6.0,
        'esper_telemetry_packets_total{source="tolaria"}': 8.0,
        'esper_telemetry_packets_total{source="tamiyo"}': 6.0,
        'esper_telemetry_packets_total{source="simic"}': 2.0,
        'esper_telemetry_packets_total{source="kasmina"}': 6.0,
        'esper_telemetry_packets_total{source="tezzeret"}': 2.0,
        'esper_system_state_packets_total{phase="tolaria"}': 6.0,
        'esper_field_reports_total{outcome="success"}': 6.0,
        "esper_simic_training_reward_total": pytest.approx(0.672),
        "esper_simic_training_iterations_total": 6.0,
    }
    until(lambda: counters(stack), lambda seen: seen == expected)
    assert until(lambda: backlog(stack), lambda seen: set(seen.values()) == {(0, 0)})
    assert until(lambda: stack.trainer.returncode, lambda seen: seen is not None) == 0
    accepted = [line.split("\t") for line in stack.accepted.read_text().splitlines()]
    with Redis.from_url(stack.redis_url) as redis:
        for stream in STREAMS.distinct():
            entries = [decode_entry(fields, secret=SECRET) for _, fields in redis.xrange(stream)]
            assert {entry.signature for entry in entries} <= {"valid"}
            assert [entry.packet_id for entry in entries] == [
                name for name, there in accepted if there == stream
            ]
        assert redis.xlen("oona.policy") == 2
        assert [group["name"] for group in redis.xinfo_groups("oona.emergency")] == [b"nissa-service"]
    _assert_surface(stack)
    stack.stop()
    assert stack.nissa.returncode == -signal.SIGTERM


def _assert_surface(stack: EsperStack) -> None:
    assert ask(stack, "/healthz")[::2] == (200, '{"status":"ok"}')
    assert ask(stack, "/metrics/summary")[::2] == (200, '{"slo":{},"alerts":{}}')
    status, kind, text = ask(stack, "/metrics")
    families = {f"{name}_total" for name in FAMILIES} | {f"{name}_created" for name in FAMILIES}
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) == families
    for path in ("/healthz", "/metrics", "/metrics/summary"):
        assert [ask(stack, path, method)[0] for method in ("HEAD", "POST")] == [405, 405]
    assert [ask(stack, path)[0] for path in ("/docs", "/openapi.json", "/", "/readyz")] == [
        200,
        200,
        404,
        404,
    ]


def test_a_black_hole_before_redis_stops_the_counters_but_not_the_health(guard: Guard) -> None:
    """With the proxy paused nothing is taken in while /healthz says ok; resumed, all of it is taken in."""
    stack = twin(guard, "--interval-ms", "20")
    until(lambda: counters(stack)["esper_training_runs_total"], lambda seen: seen > 0)
    stack.proxy.process.pause()
    assert until(lambda: backlog(stack)["oona.telemetry"][0], lambda lag: lag > 0)
    before, behind = counters(stack), backlog(stack)["oona.telemetry"][0]
    assert until(lambda: backlog(stack)["oona.telemetry"][0], lambda lag: lag > behind + 20)
    assert counters(stack) == before
    assert ask(stack, "/healthz")[0] == 200
    stack.proxy.process.resume()
    until(
        lambda: counters(stack)["esper_training_runs_total"],
        lambda seen: seen > before["esper_training_runs_total"],
    )
    stack.trainer.stop()
    until(lambda: backlog(stack), lambda seen: set(seen.values()) == {(0, 0)})


def test_a_restarted_redis_is_not_enough_for_nissa(guard: Guard) -> None:
    """After Redis restarts without its groups the trainer publishes again, Nissa only once it is restarted."""
    stack = twin(guard, "--interval-ms", "20", secret=None)
    stack.redis.kill()
    stack.redis.start_again()
    with Redis.from_url(stack.redis_url) as redis:
        until(lambda: redis.xlen("oona.normal"), lambda seen: seen > 0)
        until(stack.nissa.log_tail, lambda seen: "NOGROUP" in seen)
        assert redis.xinfo_groups("oona.normal") == []
    assert ask(stack, "/healthz")[0] == 200
    stack.restart_nissa()
    until(lambda: counters(stack)["esper_training_runs_total"], lambda seen: seen > 0)
    stack.restart_trainer("--runs", "1")


def test_a_stalled_run_keeps_its_latency_alert(guard: Guard) -> None:
    """Three slow tolaria packets in a row fire the alert, which stays while nothing more is published."""
    stack = twin(guard, "--epoch-ms", "25", "--interval-ms", "10", "--stall-after", "3")
    found = until(lambda: alerts(stack), bool)
    assert found == {
        "training_latency_high": {
            "metric": "tolaria.training.latency_ms",
            "value": 25.0,
            "routes": ["pagerduty", "slack"],
        }
    }
    assert stack.trainer.alive
    published = stack.accepted.read_text()
    time.sleep(0.3)
    assert (stack.accepted.read_text(), alerts(stack)) == (published, found)


def test_a_bad_entry_costs_the_rest_of_its_batch(guard: Guard) -> None:
    """Of a batch with a forged entry what follows is delivered, never acknowledged, and the loop goes on."""
    stack = twin(guard, "--runs", "1", "--interval-ms", "10")
    until(lambda: stack.trainer.returncode, lambda seen: seen == 0)
    until(lambda: backlog(stack), lambda seen: set(seen.values()) == {(0, 0)})
    before = counters(stack)
    with Redis.from_url(stack.redis_url) as redis, redis.pipeline(transaction=True) as batch:
        for epoch, secret in enumerate([SECRET, "forged", SECRET]):
            batch.execute_command(
                "XADD", "oona.normal", "*", *_flat(encode_entry(messages.state(99, epoch, 9), secret=secret))
            )
        batch.execute()
        until(lambda: backlog(stack)["oona.normal"], lambda seen: seen == (0, 2))
        packet = leyline.TelemetryPacket(
            packet_id="p",
            source_subsystem="simic",
            metrics=[leyline.MetricPoint(name="simic.training.reward", value=-1)],
        )
        redis.execute_command("XADD", "oona.telemetry", "*", *_flat(encode_entry(packet, secret=SECRET)))
        until(lambda: backlog(stack)["oona.telemetry"], lambda seen: seen == (0, 1))
    assert counters(stack)["esper_training_runs_total"] == before["esper_training_runs_total"] + 1
    assert stack.nissa.alive


def test_a_slow_index_delays_health(guard: Guard) -> None:
    """While an index call blocks, /healthz waits with it; a second consumer shares the group."""
    stack = EsperStack.start(
        origins=["local", "wheel"],
        guard=guard,
        secret=None,
        index=timedelta(milliseconds=300),
        trainer=["--interval-ms", "10"],
    )

    def took() -> float:
        begin = time.monotonic()
        assert ask(stack, "/healthz")[0] == 200
        return time.monotonic() - begin

    # Not before the trainer's first packets are there to be indexed.
    until(took, lambda seconds: seconds > 0.1)
    stack.add_consumer("second")
    with Redis.from_url(stack.redis_url) as redis:
        names = until(
            lambda: {found["name"] for found in redis.xinfo_consumers("oona.telemetry", "nissa-service")},
            lambda seen: len(seen) == 2,
        )
    assert names == {b"oona-client", b"second"}


def test_a_flood_is_eased_and_taken_up_again(guard: Guard) -> None:
    """The flood stops at SIGUSR1 and goes on at SIGUSR2; with it, the trainer comes to drop at 8000."""
    stack = twin(guard, "--interval-ms", "5")
    flood_file = stack.folder / "flood.tsv"
    flood = stack.add_flood(flood_file)
    with Redis.from_url(stack.redis_url) as redis:
        until(lambda: redis.xlen("oona.emergency"), lambda seen: seen > 0, timedelta(seconds=30))
        until(stack.accepted.read_text, lambda seen: "\tdropped" in seen, timedelta(seconds=30))
    flood.signal(signal.SIGUSR1)
    time.sleep(0.3)
    eased = flood_file.stat().st_size
    time.sleep(0.3)
    assert flood_file.stat().st_size == eased
    flood.signal(signal.SIGUSR2)
    until(flood_file.stat, lambda seen: seen.st_size > eased)


def test_the_trainer_can_be_told_things_while_it_runs(guard: Guard) -> None:
    """A breach raises Kasmina's counter until its seed is culled, and what does not exist is refused by name."""
    stack = twin(guard, "--interval-ms", "20")

    def newest() -> dict[str, float]:
        with Redis.from_url(stack.redis_url) as redis:
            rows = redis.xrevrange("oona.telemetry", count=40)
        entries = [decode_entry(fields, secret=SECRET) for _, fields in rows]
        return next((e.metrics for e in entries if e.source == "kasmina"), {})

    assert "until it is culled" in stack.control("breach", seed_id="seed-7")
    assert stack.control("seeds") == "seed-1, seed-7"
    until(newest, lambda seen: seen["kasmina.isolation.violations"] > 3)
    assert "seed-7 is gone" in stack.control("cull", seed_id="seed-7")
    until(newest, lambda seen: seen["kasmina.seeds.active"] == 1)
    counted = newest()["kasmina.isolation.violations"]
    time.sleep(0.3)
    assert newest()["kasmina.isolation.violations"] == counted
    with pytest.raises(ControlFailed, match="no conditions called weather"):
        stack.control("conditions", weather="fine")
    with pytest.raises(ControlFailed, match="no command 'dance'"):
        stack.control("dance")
    stack.control("conditions", dies=True, reasons=["average_reward -0.5000 below min 0.0000"])
    until(lambda: stack.trainer.returncode, lambda seen: seen is not None)
    assert "Policy update blocked: average_reward -0.5000" in stack.trainer.log_tail()


def test_a_batch_is_that_of_the_real_demo(guard: Guard) -> None:
    """With --batch the bus holds what the demo leaves: 12 states, 9 reports, ids repeated, no Kasmina, one policy."""
    stack = twin(guard, "--batch")

    def count(stream: str) -> dict[tuple[str, str], int]:
        with Redis.from_url(stack.redis_url) as redis:
            entries = [decode_entry(fields, secret=SECRET) for _, fields in redis.xrange(stream)]
        kinds = [(e.message_type, e.source) for e in entries]
        return {kind: kinds.count(kind) for kind in kinds}

    until(lambda: count("oona.policy"), lambda seen: seen == {("POLICY_UPDATE", ""): 1})
    assert count("oona.normal") == {("SYSTEM_STATE", "tolaria"): 12, ("FIELD_REPORT", ""): 9}
    assert count("oona.telemetry") == {
        ("TELEMETRY", "tolaria"): 12,
        ("TELEMETRY", "tamiyo"): 9,
        ("TELEMETRY", "simic"): 1,
    }
    assert stack.trainer.alive


def test_nissa_and_the_trainer_refuse_an_empty_secret(server: RedisServer) -> None:
    """A secret that is set but empty ends both programs with the variable's name."""
    for module, more in (("nissa", ["--port", "1"]), ("trainer", [])):
        argv = [sys.executable, "-m", f"fixtures.esper.twin.{module}", "--redis", server.url, *more]
        env = {**os.environ, "ESPER_LEYLINE_SECRET": ""}
        ended = subprocess.run(
            argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=20, check=False
        )
        assert ended.returncode == 1
        assert "ESPER_LEYLINE_SECRET is set but empty" in ended.stderr


def test_a_start_that_fails_half_way_leaves_nothing_running(guard: Guard) -> None:
    """When the trainer cannot start, what was started before it is ended, and the message names the trainer."""
    with pytest.raises(ServerFailed, match=r"trainer ended with status 2 .*\n.*--no-such-option"):
        twin(guard, "--no-such-option")
    marked = f"OPSVERIFY_RUN={guard.run_id}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            assert marked not in environment.read_bytes(), environment


def test_nissa_ends_with_0_at_ctrl_c(guard: Guard) -> None:
    """SIGINT ends Nissa with status 0."""
    stack = twin(guard)
    stack.nissa.signal(signal.SIGINT)
    assert until(lambda: stack.nissa.returncode, lambda seen: seen is not None) == 0


@pytest.mark.parametrize(
    ("emergency", "drop", "expected"),
    [
        (None, None, ["oona.normal"] * 6),
        (3, None, ["oona.normal"] * 3 + ["oona.emergency"] * 3),
        (3, 5, ["oona.normal"] * 3 + ["oona.emergency"] * 3),  # alone it never comes to drop
        (None, 3, ["oona.normal"] * 3 + ["dropped"] * 3),
        (3, 3, ["oona.normal"] * 3 + ["dropped"] * 3),  # equal: drop wins
        (5, 3, ["oona.normal"] * 3 + ["dropped"] * 3),
    ],
)
def test_the_length_of_normal_decides_where_a_state_goes(
    server: RedisServer, tmp_path: Path, emergency: int | None, drop: int | None, expected: list[str]
) -> None:
    """At its threshold, not one above, normal reroutes or drops; telemetry and policy never do."""
    path = tmp_path / "accepted.tsv"

    async def publish() -> tuple[list[bool], dict[str, float]]:
        redis = connect(server.url)
        await ensure_groups(redis, STREAMS, "nissa-service")
        await ensure_groups(redis, STREAMS, "nissa-service")
        publisher = Publisher(
            redis, STREAMS, secret=None, emergency_threshold=emergency, drop_threshold=drop, accepted=path
        )
        results = [await publisher.publish(messages.state(0, epoch, 9)) for epoch in range(6)]
        results += [
            await publisher.publish(message) for message in (messages.tamiyo(0, 0), messages.policy(0))
        ]
        snapshot = await publisher.metrics_snapshot()
        await publisher.publish(messages.state(1, 0, 9), emergency=True)
        with pytest.raises(TypeError, match="SystemStatePacket"):
            await publisher.publish(messages.report(0, 0), emergency=True)
        publisher.close()
        await redis.aclose()
        return results, snapshot

    results, snapshot = asyncio.run(publish())
    where = [*expected, "oona.telemetry", "oona.policy"]
    assert results == [there != "dropped" for there in where]
    noted = [line.split("\t")[1] for line in path.read_text().splitlines()]
    assert noted == [*where, "oona.emergency"]
    assert snapshot == {
        "publish_total": float(sum(results)),
        "publish_rerouted": float(expected.count("oona.emergency")),
        "publish_dropped": float(expected.count("dropped")),
        "queue_depth_max": float(max(3, expected.count("oona.normal"))),
        "queue_depth_normal": float(expected.count("oona.normal")),
        "queue_depth_emergency": float(expected.count("oona.emergency")),
    }


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]

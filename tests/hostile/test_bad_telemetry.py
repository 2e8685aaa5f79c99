"""Telemetry that no healthy program sends: a verdict each, within the deadline, in bounded memory."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from fixtures.esper.twin import messages
from fixtures.esper.twin.conditions import TrainingConditions
from opsverify.servers.redis import RedisServer
from systems.esper.bus.entries import encode_entry
from systems.esper.leyline import leyline_pb2 as leyline
from tests.hostile.conftest import fill
from tests.hostile.looking import section, verdicts
from tests.hostile.servers import ESCAPES, nissa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

MANY = 10_000


@pytest.fixture
def own(guard: Guard) -> Iterator[str]:
    """Give the address of a Redis of the test's own, with a healthy bus."""
    server = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(server.url)
    yield server.url
    server.stop()


def add(url: str, *packets: Any, stream: str = "oona.telemetry", entry: str = "*") -> None:
    """Put messages on a stream."""
    with Redis.from_url(url) as redis:
        for packet in packets:
            redis.xadd(stream, dict(encode_entry(packet, secret=None)), id=entry)


def packet(source: str, **metrics: float) -> leyline.TelemetryPacket:
    """A packet of a source with these metrics, `__` standing for a dot."""
    made = messages.tolaria(0, 9, 12.0)
    made.source_subsystem = source
    del made.metrics[:]
    for name, value in metrics.items():
        made.metrics.add(name=f"{source}.{name.replace('__', '.')}", value=value)
    return made


NAN, INF = math.nan, math.inf
VALUES: list[tuple[str, dict[str, float], str, str]] = [
    ("tolaria", {"training__loss": NAN}, "E-TOL-1", "FAIL loss-not-finite"),
    ("tolaria", {"training__loss": INF}, "E-TOL-1", "FAIL loss-not-finite"),
    ("tolaria", {"training__loss": 1e308}, "E-TOL-1", "PASS loss-finite"),
    ("tolaria", {"training__accuracy": 1}, "E-TOL-1", "FAIL loss-missing"),
    ("tolaria", {"training__latency_ms": NAN}, "E-TOL-2", "UNKNOWN latency-missing"),
    ("tolaria", {"seeds__active": NAN}, "E-TOL-3", "FAIL seeds-not-reported"),
    ("kasmina", {"isolation__violations": NAN}, "E-KAS-1", "UNKNOWN unexpected-reply"),
    ("kasmina", {"isolation__violations": -INF}, "E-KAS-1", "UNKNOWN unexpected-reply"),
    ("kasmina", {"isolation__violations": 1e308}, "E-KAS-1", "FAIL violations-rising"),
    ("kasmina", {"kernel__fetch_latency_ms": INF}, "E-KAS-2", "FAIL fetch-slow"),
    ("kasmina", {"kernel__fetch_latency_ms": NAN}, "E-KAS-2", "UNKNOWN unexpected-reply"),
    ("tamiyo", {"conservative_mode": NAN}, "E-TAM-2", "UNKNOWN unexpected-reply"),
    ("tamiyo", {"conservative_mode": 0.5}, "E-TAM-2", "UNKNOWN unexpected-reply"),
    ("tamiyo", {"loss_delta": NAN, "validation_loss": 1}, "E-TAM-3", "UNKNOWN unexpected-reply"),
    ("tamiyo", {"loss_delta": 0, "validation_loss": INF}, "E-TAM-3", "FAIL validation-loss-high"),
    ("simic", {"training__reward": 1, "training__loss": -INF}, "E-SIM-1", "FAIL not-finite"),
    ("simic", {}, "E-SIM-1", "FAIL metric-missing"),
    ("simic", {"validation__pass": NAN}, "E-SIM-2", "UNKNOWN unexpected-reply"),
    ("simic", {"validation__pass": INF}, "E-SIM-2", "FAIL validation-failed"),
]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [(v[:2], v[2:]) for v in VALUES],
    ids=[f"{v[2]} {v[3]} {n}" for n, v in enumerate(VALUES)],
)
async def test_a_value_that_no_program_means(
    stage: Stage, own: str, bad: tuple[str, dict[str, float]], expected: tuple[str, str]
) -> None:
    """NaN, infinities and missing metrics get the verdict that is true of them."""
    source, metrics = bad
    add(own, packet(source, **metrics))
    seen = await verdicts(section(own, stage.http(nissa())))
    assert (expected[0], seen[expected[0]]) == expected


async def test_packets_that_are_far_too_large(stage: Stage, own: str) -> None:
    """Ten thousand metrics, events and attributes, and texts full of terminal escapes, hide nothing and cost little."""
    crowd = messages.tamiyo(0, 9)
    for number in range(MANY):
        crowd.metrics.add(name=f"tamiyo.extra.{number}", value=number)
        crowd.events.add(description=ESCAPES * 10)
        crowd.system_health.indicators[f"{ESCAPES}{number}"] = ESCAPES
    nameless = leyline.TelemetryPacket(packet_id="x", source_subsystem="")
    nameless.metrics.add(name="", value=NAN)
    add(own, *[crowd] * 5, nameless, messages.tamiyo(0, 10))
    began = time.monotonic()
    seen = await verdicts(section(own, stage.http(nissa())), deadline=20)
    assert time.monotonic() - began < 20
    training = {c: v for c, v in seen.items() if c.startswith(("E-TOL", "E-KAS", "E-TAM", "E-SIM", "E-LEY"))}
    assert {c for c, v in training.items() if not v.startswith("PASS")} == set()


async def test_ids_that_are_ahead_of_the_clock_tell_no_age(stage: Stage, own: str) -> None:
    """Where Redis's clock was set back, ages cannot be told, and nothing passes for fresh."""
    add(own, messages.tolaria(0, 9, 12.0), entry="18446744073709551615-0")
    seen = await verdicts(section(own, stage.http(nissa()), workload="running"))
    assert {seen[c] for c in ("E-TOL-1", "E-KAS-1", "E-TAM-2", "E-SIM-2")} == {"UNKNOWN precondition"}


async def test_telemetry_on_the_normal_stream(stage: Stage, own: str) -> None:
    """Where no telemetry stream is configured the program uses the normal one, and so does the suite."""
    kasmina_free = [messages.tolaria(1, 0, 12.0), messages.tamiyo(1, 0), messages.simic(1, 1)]
    add(own, *kasmina_free, messages.policy(1), stream="oona.normal")
    streams = {"telemetry": "oona.normal", "policy": "oona.normal"}
    seen = await verdicts(section(own, stage.http(nissa()), streams=streams))
    training = {c: v for c, v in seen.items() if c.startswith(("E-TOL", "E-TAM", "E-SIM", "E-LEY"))}
    assert {c for c, v in training.items() if not v.startswith("PASS")} == set()
    assert seen["E-KAS-1"] == "SKIP not published by this target"


async def test_an_enum_value_from_the_future(stage: Stage, own: str) -> None:
    """An unknown number in any message is named, and disturbs no other check."""
    strange = messages.tamiyo(0, 9, TrainingConditions(level=77))
    command = leyline.AdaptationCommand(command_id="c", command_type=99)  # type: ignore[arg-type]
    add(own, strange)
    add(own, command, stream="oona.policy")
    seen = await verdicts(section(own, stage.http(nissa())))
    assert seen["E-LEY-1"] == "FAIL unknown-enum-value"
    assert seen["E-TAM-2"] == "PASS not-conservative"
    assert seen["E-SIM-3"] == "FAIL not-a-policy-update"


async def test_an_empty_telemetry_stream_passes_nothing(stage: Stage, own: str) -> None:
    """Without telemetry nothing of the training side passes, fails, or is said not to be published."""
    with Redis.from_url(own) as redis:
        redis.xtrim("oona.telemetry", maxlen=0, approximate=False)
        redis.xtrim("oona.policy", maxlen=0, approximate=False)
    seen = await verdicts(section(own, stage.http(nissa()), workload="running"))
    training = {c: v for c, v in seen.items() if c.startswith(("E-TOL", "E-KAS", "E-TAM", "E-SIM"))}
    assert set(training.values()) == {"UNKNOWN empty"}

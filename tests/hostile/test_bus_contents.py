"""A real Redis with contents that no producer of Esper-Lite writes, or too many of them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from fixtures.esper.twin import messages
from opsverify.model.deadline import Deadline
from opsverify.servers.redis import RedisServer
from systems.esper.bus.entries import encode_entry
from tests.hostile.conftest import EPOCHS, GROUP, fill
from tests.hostile.looking import look, section, verdicts
from tests.hostile.servers import ESCAPES, nissa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

ENTRIES = 20_000
NEWEST = 50


@pytest.fixture
def own(guard: Guard) -> Iterator[str]:
    """Give the address of a Redis of the test's own, with a healthy bus."""
    server = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(server.url)
    yield server.url
    server.stop()


@pytest.mark.parametrize("kind", ["string", "list", "hash"])
async def test_a_stream_key_of_another_type(stage: Stage, own: str, kind: str) -> None:
    """Where a stream's key holds another type, its groups are missing and what is read from it is UNKNOWN."""
    with Redis.from_url(own) as redis:
        redis.delete("oona.normal")
        write: dict[str, Any] = {
            "string": lambda: redis.set("oona.normal", "x"),
            "list": lambda: redis.rpush("oona.normal", "x"),
            "hash": lambda: redis.hset("oona.normal", "a", "b"),
        }
        write[kind]()
    seen = await verdicts(section(own, stage.http(nissa())))
    assert seen["E-OON-1"] == "FAIL groups-missing"
    assert {seen[c] for c in ("E-OON-2", "E-OON-2b", "E-OON-2c", "E-OON-6", "E-REC-1b")} == {
        "UNKNOWN stream-missing"
    }
    assert {seen["E-OON-5"], seen["E-OON-5b"]} == {"UNKNOWN group-missing"}
    assert {seen["E-INF-1"], seen["E-NIS-1"]} == {"PASS same-server", "PASS alive"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({b"data": b"x"}, "no-payload"),
        ({b"payload": b""}, "no-payload"),
        ({ESCAPES.encode(): b"x"}, "no-payload"),
        ({b"payload": b"\xff\xff\xff"}, "not-an-envelope"),
        ({b"payload": b"\x08\x63"}, "unknown-type"),
    ],
)
async def test_an_entry_that_is_no_message(
    stage: Stage, own: str, fields: dict[bytes, bytes], reason: str
) -> None:
    """An entry that no consumer could decode is FAIL with its reason, and disturbs no other check."""
    with Redis.from_url(own) as redis:
        redis.xadd("oona.emergency", fields)
    seen = await verdicts(section(own, stage.http(nissa())))
    assert seen.pop("E-OON-6") == f"FAIL {reason}"
    assert seen.pop("E-REC-1b") == "FAIL rerouted-unread"
    assert seen.pop("E-OON-7") == "SKIP not armed"
    if reason == "unknown-type":
        assert seen.pop("E-LEY-1") == "FAIL unknown-enum-value"
    assert {check for check, verdict in seen.items() if not verdict.startswith("PASS")} == set()


async def test_twenty_thousand_entries_are_not_read(stage: Stage, own: str) -> None:
    """Of a long stream only the newest entries are read, and a lag that Redis cannot tell is counted to a bound."""
    with Redis.from_url(own) as redis:
        with redis.pipeline(transaction=False) as many:
            for number in range(ENTRIES):
                many.xadd("oona.normal", {b"payload": b"%d" % number})
            added = many.execute()
        redis.xdel("oona.normal", added[ENTRIES // 2])  # from here on Redis cannot tell the lag
        assert redis.xinfo_groups("oona.normal")[0]["lag"] is None
        redis.config_resetstat()
        began = time.monotonic()
        part = section(own, stage.http(nissa()))
        seen = await look(part, deadline=20)
        took = time.monotonic() - began
        calls = {name: stats["calls"] for name, stats in redis.info("commandstats").items()}
    newest = seen["newest_entries"].value
    assert {stream: len(entries) for stream, entries in newest.streams.items()}["oona.normal"] == NEWEST
    assert int(newest.streams["oona.normal"][0].decoded.problem != "")
    group = next(p.last for p in seen["consumer_progress"].value.progress if p.stream == "oona.normal")
    assert (group.name, group.lag, group.lag_exact) == (GROUP, 2_000, False)
    assert seen["normal_queue"].value.length == ENTRIES + EPOCHS - 1
    assert calls["cmdstat_xrevrange"] <= 20
    assert calls["cmdstat_xrange"] <= 2_000  # each look at the group counts to 2,000, page by page
    assert took < 20


async def test_a_redis_that_cannot_save_refuses_writes(stage: Stage, guard: Guard) -> None:
    """A real Redis that refuses writes because its snapshot failed is FAIL, though it answers PING with MISCONF."""
    folder = guard.folder("opsverify-misconf-")
    server = RedisServer.start(origins=["local", "wheel"], guard=guard, folder=folder)
    fill(server.url)
    (folder / "dump.rdb" / "in the way").mkdir(parents=True)
    with Redis.from_url(server.url) as redis:
        redis.config_set("save", "3600 1")
        redis.bgsave()
        deadline = Deadline(timedelta(seconds=5))
        while redis.info("persistence")["rdb_last_bgsave_status"] != "err":
            assert not deadline.passed
            await asyncio.sleep(0.02)
    seen = await verdicts(section(server.url, stage.http(nissa())))
    server.kill()  # asked to end, it would want to save first
    assert seen["E-INF-1"] == "FAIL refuses-writes"
    assert seen["E-OON-1"] == "PASS groups-exist"


async def test_an_alert_whose_metric_nobody_publishes_is_no_pass(stage: Stage, own: str) -> None:
    """Compile retries that the program does not publish are SKIP, since the alert cannot fire; without telemetry UNKNOWN."""
    target = section(own, stage.http(nissa()))
    with Redis.from_url(own) as redis:
        redis.delete("oona.telemetry")
        redis.xadd("oona.telemetry", encode_entry(messages.tolaria(0, 0, 12.0), secret=None))
        assert (await verdicts(target))["E-URZ-4"] == "SKIP not published by this target"
        redis.xtrim("oona.telemetry", maxlen=0, approximate=False)
        assert (await verdicts(target))["E-URZ-4"] == "UNKNOWN empty"

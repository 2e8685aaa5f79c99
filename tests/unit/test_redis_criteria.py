"""What the criteria of the Redis under the bus say of values that were seen."""

from __future__ import annotations

from typing import Any

import pytest

from checks.esper.bus.criteria import server
from opsverify.model.observation import Bracketed
from systems.esper.bus.models import Durability, RedisStatus
from systems.esper.limits import EsperLimits

LIMITS = EsperLimits()
REDIS = RedisStatus(
    engine="redis", version="7.2", run_id="a", role="master", uptime_s=9, has_streams=True, refuses=""
)


@pytest.mark.parametrize(("last", "reason"), [("a", "same-server"), ("b", "server-replaced")])
def test_one_server_answers_first_and_last(last: str, reason: str) -> None:
    """Another run_id is another server."""
    again = REDIS.model_copy(update={"run_id": last})
    found = server.same_server(Bracketed(first=REDIS, last=again))
    assert (found.reason, found.holds) == (reason, reason == "same-server")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "accepts-writes"),
        ({"refuses": "it is out of memory"}, "refuses-writes"),
        ({"has_streams": False}, "refuses-writes"),
    ],
)
def test_redis_takes_entries(said: dict[str, Any], reason: str) -> None:
    """What INFO says against a write, and a Redis without streams, refuse."""
    found = server.accepts_writes(REDIS.model_copy(update=said))
    assert (found.reason, found.holds) == (reason, reason == "accepts-writes")


KEPT = Durability(append_only=True, save="", maxmemory=1000, used_memory=100, policy="noeviction")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "durable"),
        ({"append_only": False, "save": "3600 1"}, "durable"),
        ({"append_only": False}, "not-persistent"),
    ],
)
def test_the_bus_survives_a_restart(said: dict[str, Any], reason: str) -> None:
    """Either kind of persistence keeps it."""
    found = server.durable(KEPT.model_copy(update=said))
    assert (found.reason, found.holds) == (reason, reason == "durable")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"used_memory": 899}, "memory-safe"),
        ({"used_memory": 900}, "nearly-full"),
        ({"used_memory": 901}, "nearly-full"),
        ({"maxmemory": 0, "used_memory": 10**12, "policy": "allkeys-lru"}, "memory-safe"),
        ({"policy": "allkeys-lru"}, "evicts-streams"),
        ({"policy": "volatile-lru"}, "memory-safe"),
    ],
)
def test_memory_is_to_spare(said: dict[str, Any], reason: str) -> None:
    """From the limit on memory is nearly full; a policy that takes any key may take streams."""
    found = server.memory_is_safe(KEPT.model_copy(update=said), LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "memory-safe")

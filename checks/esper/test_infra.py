"""What Esper-Lite stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.criteria import bus as criteria
from opsverify import verify

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.bus import Durability, RedisServer
    from opsverify import Bracketed, Observation


@pytest.mark.check(
    id="E-INF-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook='1 "Environment & Dependencies"',
    next_step="is the Redis container running, and was it restarted? Its streams and groups vanish with it (see E-OON-1)",
)
def test_redis_answers_and_stays_the_same_server(bus_server: Observation[Bracketed[RedisServer]]) -> None:
    """Redis answers, accepts streams, and is the same server from start to end of the run."""
    verify(criteria.same_server(bus_server.value), criteria.accepts_writes(bus_server.value.last))


@pytest.mark.check(
    id="E-INF-4",
    severity="P2",
    profiles="smoke",
    runbook='1 "Environment & Dependencies"',
    next_step="CONFIG SET appendonly yes (and in the compose file, which ships with persistence off); keep maxmemory-policy noeviction",
)
def test_redis_will_not_silently_lose_the_bus(
    bus_durability: Observation[Durability], limits: EsperLimits
) -> None:
    """Redis keeps streams and groups over a restart, evicts no stream, and has memory to spare."""
    verify(criteria.durable(bus_durability.value), criteria.memory_is_safe(bus_durability.value, limits))

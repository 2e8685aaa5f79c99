"""Fixtures of the hostile tests: a stage for bad servers, a guard, and a real Redis with an Oona bus on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from fixtures.esper.twin import messages
from fixtures.esper.twin.conditions import TrainingConditions
from fixtures.esper.twin.kasmina import Kasmina
from opsverify.servers.guard import Guard
from opsverify.servers.redis import RedisServer
from systems.esper.bus.entries import encode_entry
from tests.hostile.servers import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "nissa-service"
EPOCHS = 5
"""As many as make an incident over."""
STREAMS = ("oona.normal", "oona.emergency", "oona.telemetry", "oona.policy")


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Give the stage that bad servers play on."""
    with Stage() as own:
        yield own


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Give the guard of these tests."""
    with Guard() as own:
        yield own


@pytest.fixture(scope="session")
def bus(guard: Guard) -> str:
    """Give the address of a real Redis with a healthy bus: groups exist and have had everything."""
    server = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(server.url)
    return server.url


def fill(url: str) -> None:
    """Put a training run's messages on the four streams, all delivered to Nissa's group and acknowledged, kept on disk."""
    kasmina = Kasmina(TrainingConditions(), 0)
    with Redis.from_url(url) as redis:
        redis.config_set("appendonly", "yes")
        for stream in STREAMS:
            redis.xgroup_create(stream, GROUP, id="$", mkstream=True)
        for epoch in range(EPOCHS):
            redis.xadd("oona.normal", encode_entry(messages.state(0, epoch, 12.0), secret=None))
            for packet in (messages.tamiyo(0, epoch), kasmina.packet(), messages.tolaria(0, epoch, 12.0)):
                redis.xadd("oona.telemetry", encode_entry(packet, secret=None))
        redis.xadd("oona.telemetry", encode_entry(messages.simic(0, EPOCHS), secret=None))
        redis.xadd("oona.policy", encode_entry(messages.policy(0), secret=None))
        redis.xadd("oona.telemetry", encode_entry(messages.tezzeret("run-0", 0), secret=None))
        for stream in ("oona.normal", "oona.telemetry"):
            taken = redis.xreadgroup(GROUP, "oona-client", {stream: ">"})
            redis.xack(stream, GROUP, *(entry for entry, _ in taken[0][1]))

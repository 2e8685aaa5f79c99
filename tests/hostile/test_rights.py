"""A real Redis that asks who is there: passwords and users with few rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from opsverify.model.observation import ErrorKind
from opsverify.servers.redis import RedisServer
from tests.hostile.conftest import fill
from tests.hostile.looking import down, look, section, verdicts
from tests.hostile.servers import nissa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

PASSWORD, VARIABLE = "correct horse battery staple", "OPSVERIFY_TEST_REDIS_PASSWORD"
READER = "+@read +ping +info +type"


@pytest.fixture(scope="module")
def guarded(guard: Guard) -> Iterator[RedisServer]:
    """Give a Redis with a password, a healthy bus, and two users: one that may read, one that may not ask INFO."""
    server = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(server.url)
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", *READER.split())
        redis.execute_command("ACL", "SETUSER", "blind", "on", f">{PASSWORD}", "~*", "+@read", "+ping")
        redis.execute_command(
            "ACL", "SETUSER", "narrow", "on", f">{PASSWORD}", "~oona.telemetry", *READER.split()
        )
        redis.config_set("requirepass", PASSWORD)
    yield server
    server.stop()


async def test_the_right_password(
    stage: Stage, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the password from the environment every check passes."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    seen = await verdicts(section(guarded.url, stage.http(nissa()), login={"password_env": VARIABLE}))
    assert {c for c, v in seen.items() if not v.startswith("PASS")} == {"E-OON-7"}


@pytest.mark.parametrize(
    "login", [{}, {"password_env": VARIABLE}, {"username": "nobody", "password_env": VARIABLE}]
)
async def test_the_wrong_password(
    stage: Stage, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch, login: dict[str, str]
) -> None:
    """Without the right login all that needs the bus is UNKNOWN because access was denied, not FAIL."""
    monkeypatch.setenv(VARIABLE, "wrong password of a test")
    seen = await verdicts(section(guarded.url, stage.http(nissa()), login=login))
    expected = down("redis", ErrorKind.DENIED)
    assert {check: verdict for check, verdict in seen.items() if check in expected} == expected
    assert {seen["E-NIS-1"], seen["E-NIS-2"]} == {"PASS alive", "PASS exposed"}


async def test_a_user_that_may_only_read(
    stage: Stage, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user with +@read +ping +info +type is enough for every check."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    seen = await verdicts(
        section(guarded.url, stage.http(nissa()), login={"username": "reader", "password_env": VARIABLE})
    )
    assert {c for c, v in seen.items() if not v.startswith("PASS")} == {"E-OON-7"}


async def test_a_user_without_info(
    stage: Stage, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user may not ask is UNKNOWN and named with the rights that the suite needs; the rest is judged."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    part = section(guarded.url, stage.http(nissa()), login={"username": "blind", "password_env": VARIABLE})
    seen = await verdicts(part)
    assert seen["E-INF-1"] == "UNKNOWN denied"
    assert seen["E-OON-2"] == "PASS depth"
    trouble = (await look(part, {"bus_server"}))["bus_server"].unobservable
    assert trouble is not None
    assert "INFO is not permitted" in trouble.seen
    assert READER in trouble.seen


async def test_a_user_that_sees_one_stream(
    stage: Stage, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams that a user may not see are UNKNOWN, never missing."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    seen = await verdicts(
        section(guarded.url, stage.http(nissa()), login={"username": "narrow", "password_env": VARIABLE})
    )
    assert seen["E-INF-1"] == "PASS same-server"
    assert {seen[c] for c in ("E-OON-1", "E-OON-2", "E-OON-5", "E-OON-6")} == {"UNKNOWN denied"}

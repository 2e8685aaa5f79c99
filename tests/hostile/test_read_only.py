"""A run that arms nothing writes nothing, as the server itself tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from opsverify.servers.redis import RedisServer
from tests.hostile.conftest import fill
from tests.hostile.running import run_checks
from tests.hostile.servers import nissa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

READS = {"CLIENT", "PING", "INFO", "TYPE", "XINFO", "XREVRANGE", "XRANGE", "XPENDING", "TIME", "CONFIG"}
LAST = "the end of the run"


class _Watch:
    """Everything that a Redis is told, by MONITOR, until it is told the last word."""

    def __init__(self, url: str) -> None:
        self.commands: list[str] = []
        self._ready = threading.Event()
        self._url = url
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def _listen(self) -> None:
        with Redis.from_url(self._url, socket_timeout=60, protocol=2) as redis, redis.monitor() as monitor:
            self._ready.set()
            for heard in monitor.listen():
                command = str(heard["command"])
                if LAST in command:
                    return
                self.commands.append(command)

    def end(self) -> list[str]:
        """What was heard."""
        with Redis.from_url(self._url, protocol=2) as redis:
            redis.echo(LAST)
        self._thread.join(5)
        assert not self._thread.is_alive()
        return self.commands


@pytest.fixture
def server(guard: Guard) -> Iterator[RedisServer]:
    """Give a Redis that nobody else asks, with a healthy bus."""
    own = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(own.url)
    yield own
    own.stop()


def _state(url: str) -> dict[str, Any]:
    with Redis.from_url(url) as redis:
        names = [key.decode() for key in redis.scan_iter()]
        return {name: (redis.dump(name), redis.xinfo_groups(name), redis.ttl(name)) for name in names} | {
            "changes": redis.info("persistence")["rdb_changes_since_last_save"]
        }


def test_a_run_without_arming_only_reads(stage: Stage, server: RedisServer, tmp_path: Path) -> None:
    """MONITOR sees only reading commands from an unarmed run, and the data is bit for bit the same after it."""
    before = _state(server.url)
    watch = _Watch(server.url)
    ended = run_checks(tmp_path / "run", server.url, stage.http(nissa()))
    heard = [command.split() for command in watch.end()]
    assert ended.status == 0, ended.printed.decode(errors="replace")
    names = {words[0].upper() for words in heard if words[:2] != ["CLIENT", "SETINFO"]}
    assert names - {"MONITOR"} <= READS
    assert {words[1].upper() for words in heard if words[0].upper() == "CONFIG"} <= {"GET"}
    assert {"PING", "INFO", "XINFO", "XREVRANGE"} <= names
    with Redis.from_url(server.url) as redis:
        known: dict[str, Any] = redis.command()
    assert not {name for name in names if "write" in known[name.lower()]["flags"]}
    assert _state(server.url) == before

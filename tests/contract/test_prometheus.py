"""A Prometheus of the run's own: what it promises its consumer, and what it says when it cannot keep it."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from opsverify.model.deadline import Deadline
from opsverify.servers import configured
from opsverify.servers.configured import READY
from opsverify.servers.guard import Guard
from opsverify.servers.process import LOOPBACK, free_port
from opsverify.servers.prometheus import PROGRAM as PROMETHEUS_PROGRAM
from opsverify.servers.prometheus import PrometheusConfig, PrometheusServer, ScrapeJob
from opsverify.servers.providers import start_prometheus
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = """
groups:
  - name: own
    rules:
      - alert: Always
        expr: vector(1)
"""
needs_one = pytest.mark.skipif(
    PROMETHEUS_PROGRAM.find() is None, reason="no Prometheus here: apt-get install prometheus"
)


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


def _api(server: PrometheusServer, path: str) -> Any:
    return httpx.get(f"{server.url}/api/v1/{path}", timeout=2, trust_env=False).json()["data"]


def test_the_configuration_names_what_was_given() -> None:
    """Jobs, rule files, Alertmanagers and the interval stand in the file, and nothing else acts."""
    config = PrometheusConfig(
        jobs=(ScrapeJob("nissa", ("127.0.0.1:9100",), path="/m"),),
        rules={"own.rules.yml": RULE},
        alertmanagers=("127.0.0.1:9093",),
        interval=timedelta(milliseconds=500),
    )
    told = json.loads(config.text())
    assert told["global"]["scrape_interval"] == told["global"]["evaluation_interval"] == "500ms"
    assert told["scrape_configs"] == [
        {
            "job_name": "nissa",
            "metrics_path": "/m",
            "static_configs": [{"targets": ["127.0.0.1:9100"]}],
        }
    ]
    assert told["rule_files"] == ["own.rules.yml"]
    assert told["alerting"] == {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]}


@needs_one
def test_it_loads_rules_and_takes_another_configuration(guard: Guard) -> None:
    """Rules fire; after a reload the rules of before are gone; a configuration that it refuses is told in its words."""
    own = PrometheusConfig(jobs=(), rules={"own.rules.yml": RULE})
    server = PrometheusServer.start(config=own, guard=guard)
    deadline = Deadline(timedelta(seconds=10))
    while not _api(server, "alerts")["alerts"]:
        assert not deadline.passed
    server.reload(PrometheusConfig(jobs=()))
    assert _api(server, "rules") == {"groups": []}
    with pytest.raises(ServerFailed, match=r"does not take its configuration: 500 (.|\n)*bad\.rules\.yml"):
        server.reload(PrometheusConfig(jobs=(), rules={"bad.rules.yml": "groups: 7"}))
    assert server.provided.version.startswith("prometheus ")
    server.stop()
    server.stop()


@needs_one
def test_it_comes_back_on_its_port(guard: Guard) -> None:
    """Killed and started again it answers on the same port; what still runs is not started twice."""
    server = PrometheusServer.start(config=PrometheusConfig(jobs=()), guard=guard)
    with pytest.raises(ServerFailed, match="still runs on port"):
        server.start_again()
    before, url = server.process.pid, server.url
    server.kill()
    server.start_again()
    assert (server.process.pid != before, server.url) == (True, url)
    assert _api(server, "targets")["activeTargets"] == []


@needs_one
def test_it_refuses_a_port_that_answers(guard: Guard) -> None:
    """Where a stranger answers nothing is started."""
    port = free_port()
    with (
        socket.create_server((LOOPBACK, port)),
        pytest.raises(ServerFailed, match="a stranger already answers"),
    ):
        PrometheusServer.start(config=PrometheusConfig(jobs=()), guard=guard, port=port)


@needs_one
def test_a_configuration_that_it_cannot_load_fails_at_once(guard: Guard) -> None:
    """A child that dies is told at once, with the end of its log."""
    bad = PrometheusConfig(jobs=(ScrapeJob("twice", ()), ScrapeJob("twice", ())))
    clock = Deadline(READY / 2)
    with pytest.raises(ServerFailed, match=r"ended with status [12](.|\n)*found multiple scrape configs"):
        start_prometheus(provider="embedded", config=bad, guard=guard)
    assert not clock.passed


def test_where_there_is_none_it_says_what_to_install(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a binary the message names the package."""
    monkeypatch.setattr(configured, "find_binary", lambda *_: None)
    with pytest.raises(ServerFailed, match="apt-get install prometheus"):
        PrometheusServer.start(config=PrometheusConfig(jobs=()), guard=guard)

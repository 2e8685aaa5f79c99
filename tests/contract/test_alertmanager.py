"""An Alertmanager of the run's own: what it promises its consumer, and what it says when it cannot keep it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from opsverify.model.deadline import Deadline
from opsverify.servers import configured
from opsverify.servers.alertmanager import PROGRAM as ALERTMANAGER_PROGRAM
from opsverify.servers.alertmanager import AlertmanagerConfig, AlertmanagerServer
from opsverify.servers.configured import READY
from opsverify.servers.guard import Guard
from opsverify.servers.images import ALERTMANAGER, provide_image, refuse_without_docker
from opsverify.servers.process import LOOPBACK, free_port
from opsverify.servers.providers import start_alertmanager
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.providers import Alertmanager

CONFIG = AlertmanagerConfig(webhook="http://127.0.0.1:9/")
needs_one = pytest.mark.skipif(
    ALERTMANAGER_PROGRAM.find() is None,
    reason="no Alertmanager here: apt-get install prometheus-alertmanager",
)


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Give a guard of the test's own."""
    with Guard() as own:
        yield own


def told_and_asked(server: Alertmanager) -> list[str]:
    """Post one alert, and ask for the names of those that it has."""
    alert = {"labels": {"alertname": "Own"}, "endsAt": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    url = f"{server.url}/api/v2/alerts"
    httpx.post(url, json=[alert], timeout=2, trust_env=False).raise_for_status()
    return [a["labels"]["alertname"] for a in httpx.get(url, timeout=2, trust_env=False).json()]


def test_the_configuration_names_what_was_given() -> None:
    """The receiver, the times and the inhibitions stand in the file, and nothing else acts."""
    rule = {"source_matchers": ["severity = P0"], "target_matchers": ["severity = P2"], "equal": ["node"]}
    told = json.loads(
        AlertmanagerConfig(webhook="http://h/", wait=timedelta(milliseconds=200), inhibit=(rule,)).text()
    )
    assert told["route"] == {
        "receiver": "people",
        "group_by": ["..."],
        "group_wait": "200ms",
        "group_interval": "1000ms",
        "repeat_interval": "1h",
    }
    assert told["receivers"] == [
        {"name": "people", "webhook_configs": [{"url": "http://h/", "send_resolved": True}]}
    ]
    assert told["inhibit_rules"] == [rule]


@needs_one
def test_it_takes_alerts_and_comes_back_on_its_port(guard: Guard) -> None:
    """It has the alerts that it was sent; killed and started again it answers on the same port; ended twice is ended."""
    server = AlertmanagerServer.start(config=CONFIG, guard=guard)
    assert told_and_asked(server) == ["Own"]
    with pytest.raises(ServerFailed, match="still runs on port"):
        server.start_again()
    before, url = server.process.pid, server.url
    server.kill()
    server.start_again()
    assert (server.process.pid != before, server.url) == (True, url)
    assert server.provided.version.startswith("alertmanager ")
    server.stop()
    server.stop()


@needs_one
def test_it_takes_another_configuration_or_says_why_not(guard: Guard) -> None:
    """A configuration that it refuses is told in its own words, and the one before stays in force."""
    server = AlertmanagerServer.start(config=CONFIG, guard=guard)
    server.reload(AlertmanagerConfig(webhook="http://127.0.0.1:9/other"))
    with pytest.raises(ServerFailed, match=r"alertmanager on port \d+ does not take its configuration: 500"):
        server.reload(AlertmanagerConfig(webhook="no address"))
    told = httpx.get(f"{server.url}/api/v2/status", timeout=2, trust_env=False).json()
    assert "127.0.0.1:9/other" in told["config"]["original"]


@needs_one
def test_it_refuses_a_port_that_answers(guard: Guard) -> None:
    """Where a stranger answers nothing is started."""
    port = free_port()
    with (
        socket.create_server((LOOPBACK, port)),
        pytest.raises(ServerFailed, match="a stranger already answers"),
    ):
        AlertmanagerServer.start(config=CONFIG, guard=guard, port=port)


@needs_one
def test_a_configuration_that_it_cannot_load_fails_at_once(guard: Guard) -> None:
    """A child that dies is told at once, with the end of its log."""
    clock = Deadline(READY / 2)
    with pytest.raises(ServerFailed, match=r"ended with status 1(.|\n)*unsupported scheme"):
        start_alertmanager(provider="embedded", config=AlertmanagerConfig(webhook="no address"), guard=guard)
    assert not clock.passed


def test_where_there_is_none_it_says_what_to_install(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a binary the message names the package."""
    monkeypatch.setattr(configured, "find_binary", lambda *_: None)
    with pytest.raises(ServerFailed, match="apt-get install prometheus-alertmanager"):
        AlertmanagerServer.start(config=CONFIG, guard=guard)


def test_in_a_container_it_is_the_same(guard: Guard) -> None:
    """From a container it takes alerts as well, and another configuration."""
    try:
        refuse_without_docker()
        provide_image(ALERTMANAGER)
    except ServerFailed as failed:
        pytest.skip(f"no containers here: {failed}")
    server = start_alertmanager(provider="containers", config=CONFIG, guard=guard)
    assert told_and_asked(server) == ["Own"]
    server.reload(AlertmanagerConfig(webhook="http://127.0.0.1:9/other"))
    assert server.provided.backend == "container"
    server.stop()

"""A canary that tells a real Alertmanager, which tells a receiver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.deadline import Deadline, seconds
from opsverify.servers.process import free_port
from tests.contract.engine.project import Project
from tests.contract.engine.sinks import sinks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.engine.sinks import Sinks

pytestmark = pytest.mark.slow

CANARY = ("--profile", "canary", "--target", "live")
TARGET = """
name = "porch"
[canary]
confirm_after = 0.05
[[notify]]
kind = "alertmanager"
url_env = "ALERTMANAGER_URL"
[lamp]
bulb = "bulb.json"
switch = "switch.json"
"""
CONFIG = """
route: {{receiver: people, group_by: [check], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: people, webhook_configs: [{{url: "{url}/people", send_resolved: true}}]}}]
"""


class Alertmanager:
    """A real one, on loopback, that sends everything to one receiver."""

    def __init__(self, url: str, receiver: Sinks) -> None:
        self.url, self.receiver = url, receiver

    def alerts(self) -> list[Any]:
        """The alerts that it has."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as reply:  # noqa: S310 - our own address
            found: list[Any] = json.load(reply)
        return found

    def people_hear(self, status: str) -> list[str]:
        """Wait until the receiver was sent an alert of this status, and return the check of each."""
        heard = until(
            lambda: [
                a
                for r in self.receiver.received
                for a in r.body["alerts"]
                if r.path == "/people" and a["status"] == status
            ]
        )
        return [alert["labels"]["check"] for alert in heard]


def until(look: Callable[[], list[Any]]) -> list[Any]:
    """Look until there is something. Raises AssertionError where there never is."""
    deadline = Deadline(seconds(20))
    while not deadline.passed:
        with suppress(OSError):
            if found := look():
                return found
        time.sleep(0.05)
    msg = "nothing came within 20 s"
    raise AssertionError(msg)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """Start one; none on this machine is a reason to skip, outside CI."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Alertmanager is not on this machine, and CI is to have it")
        pytest.skip("Alertmanager is not on this machine")
    with sinks() as receiver:
        port = free_port()
        config = tmp_path / "alertmanager.yml"
        config.write_text(CONFIG.format(url=receiver.url), encoding="utf-8")
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            made = Alertmanager(f"http://127.0.0.1:{port}", receiver)
            until(lambda: [made.alerts()])
            yield made
        finally:
            process.terminate()
            process.wait(10)


def test_people_hear_of_both_ends_once(alertmanager: Alertmanager, tmp_path: Path) -> None:
    """A check that goes down is one alert while it lasts, however often it is sent, and is resolved when it comes back."""
    project = Project.make(tmp_path / "project")
    project.target(TARGET)
    env = {"ALERTMANAGER_URL": alertmanager.url}

    def run() -> int:
        return project.run(*CANARY, env=env).code

    project.answer("switch", value="off")
    assert run() == 10
    assert alertmanager.people_hear("firing") == ["L-SWI-1"]
    assert run() == 10
    (alert,) = alertmanager.alerts()
    assert (alert["labels"]["severity"], alert["labels"]["target"]) == ("P0", "porch")
    assert alert["annotations"]["observed"] == "off"
    assert alert["annotations"]["summary"].startswith("P0 DOWN")
    project.answer("switch", value="on")
    assert [run(), run()] == [0, 0]
    assert alertmanager.people_hear("resolved") == ["L-SWI-1"]
    assert alertmanager.people_hear("firing") == ["L-SWI-1"]

"""Canaries on several machines that share a history in PostgreSQL: one at a time, and one memory."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from opsverify.canary.history import History, HistoryError, JudgedCheck, PastRun
from opsverify.model.check_state import CheckSample, LastNotified, step
from opsverify.model.verdict import Severity, Verdict
from opsverify.run.lock import TargetBusy
from opsverify.servers.guard import Guard
from opsverify.servers.postgres import PostgresServer
from opsverify.servers.server import ServerFailed
from opsverify.target.canary import CanaryTable
from tests.contract.engine.holding import held
from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEEP = timedelta(days=35)
CANARY = ("--profile", "canary", "--target", "live")
TARGET = """
name = "porch"
[history]
url_env = "HISTORY_URL"
[canary]
confirm_after = 0.05
[lamp]
bulb = "bulb.json"
switch = "switch.json"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the tests' own; none on this machine is a reason to skip, outside CI."""
    with Guard() as guard:
        try:
            yield PostgresServer.start(origins=["local", "wheel"], guard=guard)
        except ServerFailed as failed:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(failed))


@pytest.fixture
def url(server: PostgresServer) -> str:
    """Its address, while it runs."""
    return server.url


def test_it_keeps_what_sqlite_keeps(url: str) -> None:
    """A run, how a check stands, who was told and what was counted come back from PostgreSQL as they were."""
    history = History(url, "kept")
    history.open()
    look = CheckSample(Verdict.FAIL, Severity.P0, NOW, confirmed=True)
    standing = step(None, look, CanaryTable())
    run = PastRun("r1", "porch", "canary", NOW, NOW, 10, looked=True, opsverify="0.1", identities={"a": "1"})
    history.record(run, [JudgedCheck("c", "lamp", "bulb", "dark", look)], {"c": standing}, KEEP)
    history.record_notified("slack", {"c": LastNotified(standing.state, NOW)})
    again = History(url, "kept")
    again.open()
    assert (again.last_look(), again.statuses()) == (run, {"c": standing})
    assert again.last_notified("slack") == {"c": LastNotified(standing.state, NOW)}
    assert again.trends(5) == {"c": [(NOW, Verdict.FAIL)]}
    assert again.counts(NOW) == {("lamp", "bulb"): {Verdict.FAIL: 1}}
    assert again.runs_since_look() == 0


def test_machines_may_begin_together(server: PostgresServer) -> None:
    """Two machines that find no tables make them once."""
    import psycopg  # noqa: PLC0415 - of this test alone

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE together")
    url = server.url.rsplit("/", 1)[0] + "/together"
    troubles: list[HistoryError] = []

    def begin() -> None:
        try:
            History(url, "key").open()
        except HistoryError as error:
            troubles.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert troubles == []


def test_one_target_one_run(url: str) -> None:
    """A target that is held is busy for every other machine, which is told by whom and since when; another target is not."""
    first, second, other = History(url, "a"), History(url, "a"), History(url, "b")
    first.open()
    first.hold("run-1")
    with pytest.raises(TargetBusy, match=rf"^held by run run-1 \(pid {os.getpid()} on .+\) since 20\d\d-"):
        second.hold("run-2")
    other.hold("run-3")
    first.release()
    second.hold("run-2")
    second.release()
    other.release()


def test_two_machines_and_a_killed_run(url: str, tmp_path: Path) -> None:
    """While one machine's canary runs the other's exits 16 and names it; killed, it leaves nothing held; memory is one."""
    project = Project.make(tmp_path)
    project.target(TARGET)
    here, there = (
        {"HISTORY_URL": url, "OPSVERIFY_STATE": str(tmp_path / machine)} for machine in ("here", "there")
    )
    with held(project, here):
        busy = project.run(*CANARY, env=there)
    told = "held by run the-holder (pid"
    assert (busy.code, told in busy.stdout, "since 20" in busy.stdout) == (16, True, True), busy.said
    ran = [project.run(*CANARY, env=env) for env in (there, here)]
    assert [r.code for r in ran] == [0, 0], ran[0].said
    states = {s["check"]: (s["state"], s["recent"]) for s in ran[1].report["canary"]["states"]}
    assert states["L-SWI-1"] == ("UP", "PP")
    password = url.split(":")[2].split("@", maxsplit=1)[0]
    assert not [p for r in ran for p in r.files() if password.encode() in p.read_bytes()]


def test_a_database_that_ends_while_it_is_used(server: PostgresServer) -> None:
    """A server that goes away under a run is the history's trouble, told without waiting for ever."""
    history = History(server.url, "gone")
    history.open()
    history.hold("run-1")
    server.kill()
    try:
        with pytest.raises(HistoryError):
            history.statuses()
        with pytest.raises(HistoryError):
            history.release()
    finally:
        server.start_again()
    later = History(server.url, "gone")
    later.hold("run-2")
    later.release()

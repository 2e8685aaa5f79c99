"""BZZZ's twin as a whole: it starts in its steady state, ends without leftovers, and outlives no run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from fixtures.bzzz.twin.site import start_twin
from opsverify.model.deadline import Deadline
from opsverify.servers.server import ServerFailed
from opsverify.target.file import ServersTable
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MARK = b"OPSVERIFY_RUN="
SERVE = """
import sys, time
from systems.bzzz.section import BzzzSection
from fixtures.bzzz.twin.site import start_twin
from opsverify.target.file import ServersTable
twin = start_twin(BzzzSection(), ServersTable(provider="embedded"))
print(twin.stack.guard.run_id, twin.stack.folder, flush=True)
time.sleep(600)
"""


def marked(run_id: str) -> list[int]:
    """Processes of a run."""
    wanted, found = MARK + run_id.encode(), []
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environment:
            found.append(process.pid)
    return found


def until(holds: Callable[[], bool], expected: str) -> None:
    """Look until `holds`, or fail."""
    clock = Deadline(timedelta(seconds=20))
    while not holds():
        assert not clock.passed, expected
        time.sleep(0.05)


def test_a_twin_ends_without_leftovers() -> None:
    """Every configured surface is filled in or declared absent, and stopping leaves no process and no folder."""
    twin = start_twin(BzzzSection(), ServersTable(provider="embedded"))
    try:
        assert twin.section.unconfigured() == []
        assert set(twin.section.addresses()) <= {*twin.backends, "hosts"}
        assert marked(twin.stack.guard.run_id)
    finally:
        twin.stop()
    assert marked(twin.stack.guard.run_id) == []
    assert not twin.stack.folder.exists()
    twin.stop()


def test_a_killed_run_leaves_nothing() -> None:
    """After a SIGKILL of the run neither the supervisor nor a task of it is left."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        run_id, folder = run.stdout.readline().split()
        assert len(marked(run_id)) > len(("supervisor", "agent", "agent", "agent"))
        os.kill(run.pid, signal.SIGKILL)
    until(lambda: not marked(run_id) and not Path(folder).exists(), "nothing is left")


def test_a_part_that_does_not_start_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one part cannot start, what was started beside it is ended, and the reason is told."""

    def fails(*_: object, **__: object) -> None:
        msg = "no disk"
        raise ServerFailed(msg)

    run_ids: list[str] = []
    monkeypatch.setattr("fixtures.bzzz.twin.stack.DatabasePart.start", fails)
    monkeypatch.setattr("opsverify.servers.guard.Guard.close", _noting(run_ids))
    with pytest.raises(ServerFailed, match="no disk"):
        start_twin(BzzzSection(), ServersTable(provider="embedded"))
    assert [marked(run_id) for run_id in run_ids] == [[]]


def _noting(run_ids: list[str]) -> Callable[[object], None]:
    from opsverify.servers.guard import Guard  # noqa: PLC0415 -- as it is before it is replaced

    close = Guard.close

    def note(self: Guard) -> None:
        run_ids.append(self.run_id)
        close(self)

    return note  # type: ignore[return-value]

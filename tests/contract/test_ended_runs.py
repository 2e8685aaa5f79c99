"""A run that is ended in the middle of a drill leaves no process and no fault behind, or the next run says what it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from opsverify.model.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def start_drill(folder: Path) -> subprocess.Popen[str]:
    """The queue-spike drill as a user starts it, its state and reports in `folder`."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "checks/esper/drills/test_queue_depth_spike.py",
        "--profile",
        "drill",
        "--reports",
        str(folder / "reports"),
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "OPSVERIFY_STATE": str(folder / "state")}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def until(holds: Callable[[], bool], within: timedelta, expected: str) -> None:
    """Look until `holds`, or fail."""
    clock = Deadline(within)
    while not holds():
        assert not clock.passed, expected
        time.sleep(0.05)


def journal(folder: Path) -> list[dict[str, Any]]:
    """The journal's records so far; every complete line is valid JSON."""
    files = list((folder / "reports").glob("*/journal.jsonl"))
    return [
        json.loads(line)
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.endswith("\n")
    ]


def in_force(folder: Path) -> bool:
    """Whether the drill's fault is in force."""
    return any(record["kind"] == "step" and record["phase"] == "fault" for record in journal(folder))


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that belong to runs of `folder`: by their environment, or by their working folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("OPSVERIFY_STATE") == str(folder / "state"):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_sigkill_in_a_drill_leaves_nothing_and_the_next_run_says_so(tmp_path: Path) -> None:
    """After SIGKILL no process of the run is left, what was finished is in the journal, and the next run names the fault."""
    drill = start_drill(tmp_path)
    try:
        until(lambda: in_force(tmp_path), timedelta(seconds=60), "the fault is in force")
        assert left_running(tmp_path)
    finally:
        drill.kill()
        drill.communicate(timeout=30)
    until(lambda: not left_running(tmp_path), timedelta(seconds=15), "no process is left")
    assert [r["phase"] for r in journal(tmp_path) if r["kind"] == "step"][:3] == [
        "steady state",
        "steady state",
        "fault",
    ]
    ledger = list((tmp_path / "state" / "ledger").glob("*.json"))
    assert len(ledger) == 1
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--profile",
        "smoke",
        "--reports",
        str(tmp_path / "next"),
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    again = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OPSVERIFY_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert again.returncode == 0, again.stdout
    assert "was killed with queue-spike in force on its own twin, which ended with it" in again.stdout
    assert not list((tmp_path / "state" / "ledger").iterdir())


def test_ctrl_c_in_a_drill_undoes_the_fault(tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM in a drill undo the fault, write the reports, and leave nothing behind: exit 2."""
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / number.name
        drill = start_drill(folder)
        try:
            until(lambda folder=folder: in_force(folder), timedelta(seconds=60), "the fault is in force")  # type: ignore[misc]
            drill.send_signal(number)
            printed, _ = drill.communicate(timeout=60)
        finally:
            drill.kill()
            drill.wait(timeout=30)
        assert drill.returncode == 2, printed
        steps = [r for r in journal(folder) if r["kind"] == "step"]
        assert steps[-1]["phase"] == "undo", printed
        assert "no flood" in steps[-1]["outcome"]
        assert left_running(folder) == []
        assert not list((folder / "state" / "ledger").iterdir())
        report = json.loads(next((folder / "reports").glob("2*/report.json")).read_text(encoding="utf-8"))
        assert report["exit_status"] == 2

"""A recovery that is watched: one that holds, one that relapses, one that never comes."""

from __future__ import annotations

import json
import signal
import subprocess
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opsverify.model.deadline import Deadline, seconds
from tests.contract.engine.project import Project, Ran, Running

if TYPE_CHECKING:
    from collections.abc import Callable

WATCH = ("--incident", "LampDark", "--target", "live", "--every", "1s", "--watch")


def _rounds(running: Running) -> list[dict[str, Any]]:
    with suppress(FileNotFoundError, ValueError):
        told = json.loads((running.folder / "watch.json").read_text(encoding="utf-8"))
        return list(told["rounds"])
    return []


def _until(running: Running, statuses: list[int]) -> None:
    """Wait until the newest rounds ended with these statuses."""
    deadline = Deadline(seconds(30))
    while not deadline.passed:
        if [r["status"] for r in _rounds(running)][-len(statuses) :] == statuses:
            return
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(0.05)
            break
    msg = f"expected rounds that end {statuses} within 30 s; last seen {_rounds(running)}"
    raise AssertionError(msg)


def _relapse(project: Project) -> Ran:
    assert project.run("--profile", "incident", "--target", "live").code == 0
    project.answer("bulb", value=3)
    running = project.start(*WATCH, "60s", "--baseline", "last-green", "--bundle", "evidence.tar.gz")
    _until(running, [10])
    project.answer("bulb", value=100, identity="serial 2")
    _until(running, [0, 0])
    project.answer("bulb", value=4, identity="serial 2")
    return running.ended()


def _gap(project: Project) -> Ran:
    running = project.start(*WATCH, "9s")
    _until(running, [0])
    project.answer("bulb", **{"raise": "denied"})
    _until(running, [12])
    project.answer("bulb", value=100)
    return running.ended()


def _stopped(project: Project) -> Ran:
    running = project.start(*WATCH, "60s")
    _until(running, [0])
    running.process.send_signal(signal.SIGTERM)
    return running.ended()


def _pressed(project: Project) -> Ran:
    running = project.start(*WATCH, "60s", "--bundle", "evidence.tar.gz")
    _until(running, [0])
    running.process.send_signal(signal.SIGINT)
    return running.ended()


def _never(project: Project) -> Ran:
    project.answer("bulb", value=3)
    return project.run(*WATCH, "3s")


RUNS: dict[str, Callable[[Project], Ran]] = {
    "relapse": _relapse,
    "gap": _gap,
    "stopped": _stopped,
    "pressed": _pressed,
    "never": _never,
    "recovered": lambda p: p.run(*WATCH, "3s", "--bundle", "evidence.tar.gz"),
    "bad time": lambda p: p.run(*WATCH, "soon"),
    "bad target": lambda p: p.run("--watch", "3s", "--incident", "LampDark", "--target", "nowhere"),
    "plan": lambda p: p.run(*WATCH, "3s", "--plan"),
    "every alone": lambda p: p.run("--profile", "smoke", "--every", "3s"),
    "usage in a round": lambda p: p.run("--watch", "60s", "--incident", "LampDarc", "--target", "live"),
}


def test_a_relapse_ends_the_watch(left_by: Callable[[str], Ran]) -> None:
    """What had recovered and fails again ends the watch at once with exit 10; every round's evidence is kept."""
    ran = left_by("relapse")
    assert ran.code == 10
    told = json.loads((ran.folder / "watch.json").read_text(encoding="utf-8"))
    statuses = [r["status"] for r in told["rounds"]]
    assert statuses[0] == 10
    assert statuses[-3:] == [0, 0, 10]
    assert "relapse in round" in ran.stdout
    assert "FAIL P1 L-BLB-1 too-dark" in ran.stdout
    assert "\x1b" not in ran.stdout
    for each in told["rounds"]:
        journal = (ran.folder / each["folder"] / "journal.jsonl").read_text(encoding="utf-8")
        assert '"name": "brightness"' in journal
    newest = ran.folder / told["rounds"][-1]["folder"]
    assert (ran.folder.parent / "latest").resolve() == newest.resolve()


def test_a_relapse_is_compared_with_the_last_green_round(left_by: Callable[[str], Ran]) -> None:
    """The round that relapsed says what changed since the green one before it."""
    ran = left_by("relapse")
    report = json.loads((ran.folder.parent / "latest" / "report.json").read_text(encoding="utf-8"))
    assert {c["where"] for c in report["comparison"]["changes"]} == {"L-BLB-1", "brightness.value"}


def test_a_watch_is_bundled_whole(left_by: Callable[[str], Ran]) -> None:
    """The bundle of a watch holds every round, and the newest where a single run's bundle has it."""
    ran = left_by("relapse")
    with tarfile.open(ran.folder.parent.parent / "evidence.tar.gz") as archive:
        names = archive.getnames()
    rounds = json.loads((ran.folder / "watch.json").read_text(encoding="utf-8"))["rounds"]
    assert {f"rounds/{r['number']:04}/journal.jsonl" for r in rounds} <= set(names)
    assert {"journal.jsonl", "report.html", "watch.json", "target.json", "versions.txt", "SHA256SUMS"} <= set(
        names
    )


def test_a_recovery_that_holds_is_0(left_by: Callable[[str], Ran]) -> None:
    """Green from the first round to the last is exit 0."""
    assert left_by("recovered").code == 0
    assert "exit 0: recovered since" in left_by("recovered").stdout


def test_what_never_recovers_is_10(left_by: Callable[[str], Ran]) -> None:
    """Red until the time is over is exit 10, and is no relapse."""
    assert left_by("never").code == 10
    assert "not recovered after" in left_by("never").stdout
    assert "relapse" not in left_by("never").stdout


def test_a_gap_after_the_recovery_is_no_green(left_by: Callable[[str], Ran]) -> None:
    """A round that could not look after the recovery leaves open whether it stayed clear: exit 12."""
    assert left_by("gap").code == 12
    assert "whether it stayed clear is not known" in left_by("gap").stdout


def test_a_stopped_watch_is_2(left_by: Callable[[str], Ran]) -> None:
    """SIGTERM ends the watch with 2, and the rounds so far are saved."""
    assert left_by("stopped").code == 2
    assert (
        json.loads((left_by("stopped").folder / "watch.json").read_text(encoding="utf-8"))["exit_status"] == 2
    )


def test_ctrl_c_ends_a_watch_with_what_it_has(left_by: Callable[[str], Ran]) -> None:
    """Ctrl-C ends the watch with 2; its rounds are saved and packed."""
    assert left_by("pressed").code == 2, left_by("pressed").said
    assert "interrupted; the rounds so far are saved" in left_by("pressed").stdout
    assert (left_by("pressed").folder.parent.parent / "evidence.tar.gz").is_file()


def test_a_wrong_watch_is_told(left_by: Callable[[str], Ran]) -> None:
    """A time that is none, a missing target, nothing to look at: exit 4 with what would be right; a round whose usage
    is wrong is not repeated.
    """
    told = {
        "bad time": "'soon' is not a duration; write a number with s, m, h or d",
        "bad target": "no such target file",
        "plan": "cannot be combined with --replay, --plan",
        "every alone": "give --watch TIME too",
        "usage in a round": "another round would not help",
    }
    for name, text in told.items():
        assert left_by(name).code == 4, (name, left_by(name).said)
        assert text in left_by(name).said, name

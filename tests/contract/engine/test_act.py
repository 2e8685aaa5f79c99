"""One action from the command line: what is refused, what is done and recorded, and what is left to a person."""

from __future__ import annotations

import json
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from opsverify.model.deadline import Deadline, seconds
from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.contract.engine.project import Ran

LIVE = 'name = "porch"\n[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n'


def act(
    project: Project, *arguments: str, actions: tuple[str, ...] = ("dim", "turn_on"), confirmed: bool = True
) -> Ran:
    """Act on the live lamp, whose target arms these actions."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    project.target(f"{LIVE}[arm]\nactions = {json.dumps(list(actions))}\nexpires = {expires}\n")
    return project.run("--target=live", *(["--arm", "porch"] if confirmed else []), *arguments)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give a copy of the toy project."""
    return Project.make(tmp_path)


def bulb(project: Project) -> object:
    """What the bulb's file says."""
    loaded: Mapping[str, object] = json.loads((project.folder / "bulb.json").read_text(encoding="utf-8"))
    return loaded["value"]


USAGE = {
    "no action at all": ("--act=lamp", "must be SYSTEM.ACTION or SYSTEM.ACTION:key=value"),
    "no such system": ("--act=lantern.dim", "target 'porch' has no system 'lantern'; it has lamp"),
    "no such action": ("--act=lamp.din", "did you mean dim? It has:"),
    "an argument is missing": ("--act=lamp.dim", "dim needs level; it takes level: int, why: str"),
    "an argument is strange": ("--act=lamp.dim:level=3,colour=red", "dim has no argument colour; it takes"),
    "an argument of another type": (
        "--act=lamp.dim:level=much",
        "level=much: Input should be a valid integer",
    ),
    "an argument without a value": ("--act=lamp.dim:level", "must be SYSTEM.ACTION or"),
    "not armed": (
        "--act=lamp.press",
        "press is not armed on live target 'porch': add to [arm] in the target file: actions = [\"press\"]",
    ),
    "a bad duration": (
        "--act=lamp.turn_on --verify-within=soon",
        "--verify-within: 'soon' is not a duration",
    ),
    "a dry run of nothing": ("--dry-run", "--dry-run and --verify-within need --act"),
}


@pytest.mark.parametrize("name", USAGE)
def test_what_cannot_be_meant_is_usage(project: Project, name: str) -> None:
    """What cannot be meant is exit 4, says what would be right, and nothing is changed."""
    arguments, told = USAGE[name]
    ended = act(project, *arguments.split())
    assert (ended.code, bulb(project)) == (4, 100), ended.said
    assert told in ended.said


def test_arming_is_confirmed_on_the_command_line(project: Project) -> None:
    """Without --arm the target's own arming does not count."""
    ended = act(project, "--act=lamp.dim:level=3", confirmed=False)
    assert (ended.code, bulb(project)) == (4, 100)
    assert "confirm it on the command line: --arm porch" in ended.said


def test_acting_on_a_twin_is_refused(project: Project) -> None:
    """A twin ends with its run: to act on it is usage, and says so."""
    ended = project.run("--target=embedded", "--act=lamp.press")
    assert ended.code == 4, ended.said
    assert "starts a twin that ends with this run" in ended.said


@pytest.mark.parametrize(
    ("actions", "told"), [(("dim",), "\narmed"), (("press",), "not armed: add to [arm]")]
)
def test_a_dry_run_says_what_it_would_do(project: Project, actions: tuple[str, ...], told: str) -> None:
    """A dry run tells the action, its arguments, the target and whether it is armed, and does nothing."""
    ended = act(project, "--act=lamp.dim:level=3", "--dry-run", actions=actions)
    assert (ended.code, bulb(project)) == (0, 100), ended.said
    assert "would do lamp.dim(level=3) on porch: Set the bulb to a level." in ended.said
    assert told in ended.said


def test_an_action_is_done_and_recorded(project: Project) -> None:
    """An armed action is done; its arguments and result stand in the journal; a value may hold a comma."""
    ended = act(project, "--act=lamp.dim:level=30,why=night, and late")
    assert (ended.code, bulb(project)) == (0, 30), ended.said
    assert "done: at 30, night, and late" in ended.said
    taken = [record for record in ended.journal if record["kind"] == "action"]
    assert [(t["name"], t["arguments"], t["result"]) for t in taken] == [
        ("dim", "level=30, why=night, and late", "at 30, night, and late")
    ]


def test_an_action_that_refuses_has_changed_nothing(project: Project) -> None:
    """An action that looked and did nothing is exit 12, with its words."""
    ended = act(project, "--act=lamp.dim:level=0")
    assert (ended.code, bulb(project)) == (12, 100), ended.said
    assert "refused, and nothing was changed: 0 is off: press the switch" in ended.said


def test_an_action_that_fails_midway_is_left_changed(project: Project) -> None:
    """How far an action had come when it failed nobody knows: exit 14."""
    ended = act(project, "--act=lamp.dim:level=-1")
    assert ended.code == 14, ended.said
    assert "dim did not finish: OSError: it burst; check what it has changed" in ended.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_action_that_a_signal_cuts_short_is_left_changed(project: Project, number: signal.Signals) -> None:
    """Nobody knows how far it had come: exit 14, as it is printed, and not the 2 of an interrupt."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    project.target(f'{LIVE}[arm]\nactions = ["warm_up"]\nexpires = {expires}\n')
    running = project.start("--target=live", "--arm", "porch", "--act=lamp.warm_up:seconds=60")
    clock = Deadline(seconds(20))
    while bulb(project) != 1:
        assert not clock.passed
        time.sleep(0.02)
    running.process.send_signal(number)
    ended = running.ended()
    assert (ended.code, bulb(project)) == (14, 1), ended.said
    assert "warm_up did not finish" in ended.stdout
    assert "exit 14: " in ended.stdout


def test_a_target_that_is_held_is_left_alone(project: Project) -> None:
    """While another run is at work on the target nothing is done."""
    project.answer("bulb", value=100, delay=15)
    other = project.start("--target=live", "--profile=smoke")
    other.until_journal_says('"name": "lever"')
    ended = act(project, "--act=lamp.dim:level=3")
    other.process.kill()
    other.ended()
    assert ended.code == 16, ended.said
    assert "done" not in ended.said


def test_what_a_person_must_do_is_told(project: Project) -> None:
    """Where there is no way in, the instruction is told with the checks that verify it; not done is exit 12."""
    ended = act(project, "--act=lamp.turn_on")
    assert ended.code == 12, ended.said
    assert "by hand: go to the porch and turn the lever" in ended.said
    assert "then verify it with L-SWI-1" in ended.said


def test_what_a_person_did_is_verified(project: Project) -> None:
    """The checks are looked at again and again until they pass."""
    project.answer("switch", value="off")
    done = threading.Timer(4, lambda: project.answer("switch", value="on"))
    done.start()
    ended = act(project, "--act=lamp.turn_on", "--verify-within=30s")
    done.join()
    assert ended.code == 0, ended.said
    assert "verified" in ended.said


def test_what_nobody_did_is_not_verified(project: Project) -> None:
    """Checks that still FAIL when the time is over are exit 10, each with its reason."""
    project.answer("switch", value="off")
    ended = act(project, "--act=lamp.turn_on", "--verify-within=3s")
    assert ended.code == 10, ended.said
    assert "not verified within 3 s" in ended.said
    assert "FAIL    L-SWI-1   switched-off" in ended.said

"""A twin is judged once it is in its own steady state; what this machine cannot provide of it is said at the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.engine.project import Ran

PATIENT = """
from dataclasses import replace

import pytest
from lamp_system import LAMP
from lamp_twin import LampTwin
from opsverify.model.deadline import seconds
{more}

def start(section, servers):
    twin = LampTwin(section)
    {change}
    return twin

@pytest.hookimpl
def pytest_opsverify_system():
    return replace(LAMP, start_twin=start, steady_within=seconds({within}))
"""
WARMS_UP = """twin.bulb.write_text('{"value": 1}', encoding="utf-8")
    threading.Timer(0.7, lambda: twin.bulb.write_text('{"value": 100}', encoding="utf-8")).start()"""
STAYS_DARK = """twin.bulb.write_text('{"value": 1}', encoding="utf-8")"""
NO_SWITCH = """twin.section = twin.section.model_copy(update={"switch": None}).without(
        {"switch": "no switch on this machine; to have it: apt-get install switch"})"""


def _twin(change: str, *arguments: str, within: float = 10) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        text = PATIENT.format(more="import threading", change=change, within=within)
        project.write("patient.py", text)
        project.write("conftest.py", 'pytest_plugins = ("patient",)\n')
        return project.run("--profile", "smoke", *arguments)

    return act


RUNS: dict[str, Callable[[Project], Ran]] = {
    "warms up": _twin(WARMS_UP),
    "stays dark": _twin(STAYS_DARK, within=1),
    "a limit of the command line": _twin("pass", "--limit", "lamp.brightness=200", within=60),
    "no switch": _twin(NO_SWITCH),
    "no switch, drill": _twin(NO_SWITCH, "--only", "bulb"),
}


def test_a_twin_is_judged_when_it_is_steady(left_by: Callable[[str], Ran]) -> None:
    """A twin that takes a moment after its start is green, and its one look is what is reported."""
    assert left_by("warms up").code == 0, left_by("warms up").stdout
    looked = [
        r for r in left_by("warms up").journal if r["kind"] == "observation" and r["name"] == "brightness"
    ]
    assert [r["value"] for r in looked] == [{"value": 100.0}]


def test_a_twin_that_is_never_steady_is_judged_as_it_is(left_by: Callable[[str], Ran]) -> None:
    """The wait is bounded, what was last seen is told, and the run's own look decides."""
    dark = left_by("stays dark")
    assert dark.code == 10
    assert "the twin of lamp was not ready: expected its steady state within 1 s; last seen" in dark.stdout
    assert "L-BLB-1 FAIL too-dark: 1.0" in dark.stdout


def test_a_limit_of_the_command_line_keeps_nobody_waiting(left_by: Callable[[str], Ran]) -> None:
    """Ready is by the target's own limits: who asks for another one sees the red at once."""
    ran = left_by("a limit of the command line")
    assert ran.code == 10
    assert ran.report["took"] < 30
    assert "was not ready" not in ran.stdout


def test_what_the_machine_lacks_is_its_own_reason(left_by: Callable[[str], Ran]) -> None:
    """SKIP names the cure; the first line of every report counts it by severity and cause; nobody declared it absent."""
    ran = left_by("no switch")
    assert ran.code == 0, ran.stdout
    check = ran.check("L-SWI-1")
    assert (check["verdict"], check["reason"]) == ("SKIP", "not on this machine")
    assert "to have it: apt-get install switch" in check["explanation"]
    told = "1 P0 not looked at: no switch on this machine"
    assert f"exit 0: the gate holds · {told}" in ran.stdout
    assert ran.report["headline"] == f"the gate holds · {told}"
    assert ran.report["not_looked_at"] == [
        {
            "id": "L-SWI-1",
            "severity": "P0",
            "cause": "no switch on this machine",
            "reason": "not on this machine: lever: switch: no switch on this machine; to have it: apt-get install switch",
        }
    ]
    assert f"<h1>Gate P1 holds · {told}</h1>" in ran.html
    assert told in (ran.folder / "summary.md").read_text(encoding="utf-8").splitlines()[0]


def test_a_target_file_cannot_say_what_a_machine_lacks(tmp_path: Path) -> None:
    """Only a twin can: a live system is never excused by it."""
    project = Project.make(tmp_path)
    project.target('name = "porch"\n[lamp]\nbulb = "bulb.json"\nlacking = { switch = "gone" }\n')
    ended = project.run("--profile", "smoke", "--target", "live")
    assert ended.code == 4
    assert "unknown key 'lamp.lacking'" in ended.said

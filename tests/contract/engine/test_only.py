"""A run about a part of the target: exactly that part is required, and every report says which part it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.engine.project import Ran

BULB_ONLY = 'name = "porch"\n{only}[lamp]\nbulb = "bulb.json"\n'
SMOKE = ("--profile", "smoke", "--target", "live")


def _bulb_only(*arguments: str, only: str = "") -> Callable[[Project], Ran]:
    """A live target that has no switch, and declares none absent."""

    def act(project: Project) -> Ran:
        project.target(BULB_ONLY.format(only=f"only = {only}\n" if only else ""))
        return project.run(*arguments)

    return act


def _also_at_the_switch(project: Project) -> Ran:
    project.check(
        "L-BLB-9", "verify(Finding(holds=True, reason='on', expected='on', observed='on'))", takes="both"
    )
    project.write(
        "lamp_both.py",
        """
        from dataclasses import replace
        import pytest
        from lamp_system import LAMP
        from opsverify.model.deadline import seconds
        from opsverify.model.observation import observation

        @observation(of=("bulb", "switch"), deadline=seconds(1))
        async def both(lamp) -> int:
            return 1

        @pytest.hookimpl
        def pytest_opsverify_system():
            return replace(LAMP, declares=lambda: (*LAMP.observations, both))
        """,
    )
    project.write("conftest.py", 'pytest_plugins = ("lamp_both",)\n')
    return project.run(*SMOKE, "--only", "lamp.switch")


RUNS: dict[str, Callable[[Project], Ran]] = {
    "surface": lambda p: p.run(*SMOKE, "--only", "lamp.switch"),
    "check": lambda p: p.run(*SMOKE, "--only", "L-SWI-1"),
    "two words": lambda p: p.run(*SMOKE, "--only", "L-BLB-1,L-SWI-1"),
    "system": lambda p: p.run(*SMOKE, "--only", "lamp"),
    "one drill": lambda p: p.run("--profile", "drill", "--only", "L-REC-1"),
    "named in vain": lambda p: p.run(*SMOKE, "--only", "switch,L-REC-1"),
    "target without a switch": _bulb_only(*SMOKE),
    "target about its bulb": _bulb_only(*SMOKE, only='["bulb"]'),
    "preflight about its bulb": _bulb_only("--preflight", "--target", "live", only='["bulb"]'),
    "plan about its bulb": _bulb_only("--plan", *SMOKE, only='["bulb"]'),
    "the command line decides": _bulb_only(*SMOKE, "--only", "L-SWI-1", only='["bulb"]'),
    "part left out by -k": lambda p: p.run(*SMOKE, "--only", "bulb", "-k", "lever"),
    "part in a file that was not read": lambda p: p.run(
        "checks/lamp/test_switch.py", *SMOKE, "--only", "lamp"
    ),
    "check in the file that was read": lambda p: p.run(
        "checks/lamp/test_switch.py", *SMOKE, "--only", "L-SWI-1"
    ),
    "its system in a path": lambda p: p.run("checks/lamp", *SMOKE, "--only", "lamp"),
    "looks at another too": _also_at_the_switch,
    "nothing of it here": lambda p: p.run("--profile", "drill", "--only", "L-SWI-1"),
}


@pytest.mark.parametrize(
    ("run", "ran", "only"),
    [
        ("surface", ["L-SWI-1"], ["lamp.switch"]),
        ("check", ["L-SWI-1"], ["L-SWI-1"]),
        ("two words", ["L-BLB-1", "L-SWI-1"], ["L-BLB-1", "L-SWI-1"]),
        ("system", ["L-BLB-1", "L-BLB-2", "L-SWI-1"], ["lamp"]),
        ("one drill", ["L-REC-1"], ["L-REC-1"]),
        ("target about its bulb", ["L-BLB-1", "L-BLB-2"], ["bulb"]),
        ("check in the file that was read", ["L-SWI-1"], ["L-SWI-1"]),
        ("named in vain", ["L-SWI-1"], ["switch"]),
        ("its system in a path", ["L-BLB-1", "L-BLB-2", "L-SWI-1"], ["lamp"]),
        ("looks at another too", ["L-SWI-1"], ["lamp.switch"]),
    ],
)
def test_exactly_the_part_is_required(
    left_by: Callable[[str], Ran], run: str, ran: list[str], only: list[str]
) -> None:
    """What the words name runs, nothing else is missed, and terminal, JSON, HTML and Markdown name the part."""
    left = left_by(run)
    assert left.code == 0, left.stdout
    assert sorted(c["id"] for c in left.report["checks"]) == ran
    assert left.report["only"] == only
    shown = f"only {', '.join(only)}"
    assert f"exit 0: the gate holds · {shown}" in left.stdout
    assert left.report["headline"].endswith(shown)
    assert f"<h1>Gate P1 holds · {shown}</h1>" in left.html
    assert (left.folder / "summary.md").read_text(encoding="utf-8").splitlines()[0].endswith(shown)


def test_what_a_surface_leaves_out_is_told(left_by: Callable[[str], Ran]) -> None:
    """A check that looks at the surface and at another one is not of the part, and is named."""
    told = "warning: outside the selected part, because they look at other surfaces too: L-BLB-9"
    assert told in left_by("looks at another too").stdout


def test_a_word_in_vain_is_told(left_by: Callable[[str], Ran]) -> None:
    """A word that no check of the profile belongs to is warned of, and no report says that it holds."""
    assert (
        "warning: only L-REC-1: none of its checks runs in profile smoke" in left_by("named in vain").stdout
    )


@pytest.mark.parametrize(
    ("run", "missed"),
    [
        ("target without a switch", "L-SWI-1: surface 'switch' of lamp is neither configured nor declared"),
        ("the command line decides", "L-SWI-1: surface 'switch' of lamp is neither configured nor declared"),
        ("part left out by -k", "L-BLB-1: required by lamp's smoke profile, but it did not run"),
        ("part in a file that was not read", "L-BLB-1: required by lamp's smoke profile, but it did not run"),
        ("nothing of it here", "only L-SWI-1: none of its checks runs in profile drill"),
    ],
)
def test_a_part_that_was_not_looked_at_is_vacuous(
    left_by: Callable[[str], Ran], run: str, missed: str
) -> None:
    """What belongs to the part, or may, and did not run is exit 13."""
    left = left_by(run)
    assert left.code == 13, left.stdout
    assert missed in left.stdout


def test_the_preflight_and_the_plan_are_about_the_part(left_by: Callable[[str], Ran]) -> None:
    """A surface that the part does not need is not missed; the plan names the part."""
    assert "neither configured" not in left_by("preflight about its bulb").stdout
    assert "\nonly bulb\n" in left_by("plan about its bulb").stdout
    assert "would run, reading only: 2" in left_by("plan about its bulb").stdout


def test_a_part_is_judged_again_as_that_part(tmp_path: Path) -> None:
    """A replay of a partial run asks for no more than the run did."""
    project = Project.make(tmp_path)
    assert project.run(*SMOKE, "--only", "switch").code == 0
    again = project.run("--replay", "reports/latest")
    assert (again.code, again.report["only"]) == (0, ["switch"]), again.stdout


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("--only=swich", "only: 'swich' is not a system, subsystem, surface or check of this target; did you mean 'switch'?"),
        ("--only=L-SWI-9", "did you mean 'L-SWI-"),
        ("--only=,", "--only ,: names nothing; give a system, subsystem, surface or check"),
    ],
)  # fmt: skip
def test_a_word_that_names_nothing_is_usage(tmp_path: Path, only: str, told: str) -> None:
    """A word that is nothing of the target is exit 4, with the nearest right one."""
    ended = Project.make(tmp_path).run(*SMOKE, only)
    assert ended.code == 4
    assert told in ended.said

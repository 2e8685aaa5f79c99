"""Which checks a real run takes, and what it loads for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.engine.project import Project, Ran

if TYPE_CHECKING:
    from collections.abc import Callable

_LOADED = """
import sys

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("loaded: " + " ".join(sys.modules))
"""


def _loaded(ran: Ran) -> set[str]:
    line = next(line for line in ran.stdout.splitlines() if line.startswith("loaded: "))
    return set(line.split()[1:])


def _incident(project: Project) -> Ran:
    project.write("shows_modules.py", _LOADED)
    return project.run("--profile", "incident", "--target", "live", "-p", "shows_modules")


def _taken_twice(project: Project) -> Ran:
    project.write(
        "second_system.py",
        """
        from dataclasses import replace
        import pytest
        from lamp_system import LAMP
        from opsverify.model.deadline import seconds
        from opsverify.model.observation import observation

        @observation(of="bulb", deadline=seconds(1))
        async def brightness(torch):
            return 1

        @pytest.hookimpl
        def pytest_opsverify_system():
            return replace(LAMP, name="torch", declares=lambda: (brightness,))
        """,
    )
    project.write("conftest.py", 'pytest_plugins = ("lamp_system", "second_system")\n')
    target = project.target('name = "both"\n[servers]\nprovider = "embedded"\n[lamp]\n[torch]\n', name="both")
    return project.run("--profile", "smoke", "--target", target)


def _same_id(project: Project) -> Ran:
    project.check("L-BLB-1", "pass")
    return project.run("--profile", "smoke")


def _contradiction(project: Project) -> Ran:
    book = project.folder / "checks/lamp/runbook.toml"
    book.write_text(
        book.read_text(encoding="utf-8").replace('smoke = ["L-BLB-1", ', "smoke = ["), encoding="utf-8"
    )
    return project.run("--profile", "smoke")


def _unknown_severity_row(project: Project) -> Ran:
    return project.run(
        "--target",
        project.target('name = "x"\n[severity]\n"L-BLB-9" = "P0"\n[lamp]\nbulb = "bulb.json"\n', "odd"),
    )


def _raised_severity(project: Project) -> Ran:
    project.answer("bulb", value=0)
    severity = '[severity]\n"L-BLB-1" = "P0"\n"L-SWI-1" = "P3"\n'
    text = f'name = "x"\n{severity}[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n'
    return project.run("--target", project.target(text, "odd"), "--gate", "P0")


def _other_limit(project: Project) -> Ran:
    text = (
        'name = "x"\n[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n[lamp.limits]\nbrightness = 1000\n'
    )
    return project.run("--target", project.target(text, "odd"), "--profile", "smoke")


def _collection_goes_on(project: Project) -> Ran:
    project.write("checks/lamp/test_broken.py", "import no_such_module\n")
    return project.run("--profile", "smoke", "--target", "live", "--continue-on-collection-errors")


def _undeclared_marker(project: Project) -> Ran:
    project.check("L-BLB-51", "pass", decorate="@pytest.mark.blub")
    return project.run("--profile", "smoke")


def _twice(project: Project) -> Ran:
    first, second = project.run("--profile", "smoke"), project.run("--profile", "smoke", "--target", "live")
    assert first.folder != second.folder
    assert project.run_folders() == {first.folder, second.folder}
    assert first.report["run_id"] != second.report["run_id"]
    return second


RUNS: dict[str, Callable[[Project], Ran]] = {
    "by markers": lambda p: p.run("-m", "P0 and bulb"),
    "by an unknown marker": lambda p: p.run("-m", "check(severity='P0') and blub"),
    "a check with an unknown marker": _undeclared_marker,
    "incident": _incident,
    "taken twice": _taken_twice,
    "same id": _same_id,
    "contradiction": _contradiction,
    "unknown row": _unknown_severity_row,
    "raised": _raised_severity,
    "limit": _other_limit,
    "collection goes on": _collection_goes_on,
    "without pytest-html": lambda p: p.run("--profile", "smoke", "-p", "no:html"),
    "twice": _twice,
    "collect only": lambda p: p.run("--profile", "smoke", "--collect-only"),
}


def test_plain_markers_select(left_by: Callable[[str], Ran]) -> None:
    """Severity, subsystem and their like select with -m."""
    assert set(left_by("by markers").verdicts()) == {"L-BLB-3"}
    assert left_by("by markers").code == 0


def test_a_marker_that_nobody_declared_is_refused(left_by: Callable[[str], Ran]) -> None:
    """A check that carries an undeclared marker cannot be collected; -m with a word that nobody carries
    selects nothing.
    """
    assert left_by("a check with an unknown marker").code == 3
    assert "'blub' not found in `markers`" in left_by("a check with an unknown marker").said
    assert left_by("by an unknown marker").code in (4, 13)


def test_an_incident_run_loads_nothing_that_breaks_or_acts(left_by: Callable[[str], Ran]) -> None:
    """The profile incident on a live target imports no drill, fault, twin or operator that nothing armed."""
    loaded = _loaded(left_by("incident"))
    assert {"lamp_system", "lamp_client"} <= loaded
    assert {"lamp_faults", "lamp_twin", "lamp_operator", "test_dark"} & loaded == set()


def test_a_run_loads_no_part_of_the_engine_that_it_was_not_asked_for(left_by: Callable[[str], Ran]) -> None:
    """What only an option, a drill, a canary or a history needs is loaded by those."""
    ways = "acting asking baseline bundle drill expecting history planning replay watch canary.canary notify.telling"
    assert {f"opsverify.{way}" for way in ways.split()} & _loaded(left_by("incident")) == set()
    assert "sqlalchemy" not in _loaded(left_by("incident"))


def test_a_name_that_is_taken_names_both_files(left_by: Callable[[str], Ran]) -> None:
    """Two observations of one name are refused with the places of both."""
    assert left_by("taken twice").code == 4
    assert "second_system.py:" in left_by("taken twice").said
    assert "lamp_observations.py:" in left_by("taken twice").said


def test_an_id_that_is_taken_names_both_checks(left_by: Callable[[str], Ran]) -> None:
    """Two checks of one id are refused with the places of both."""
    assert left_by("same id").code == 4
    assert "two checks have the id L-BLB-1" in left_by("same id").said


def test_marker_and_map_must_agree(left_by: Callable[[str], Ran]) -> None:
    """A check whose profiles are not those of the runbook map is refused."""
    assert left_by("contradiction").code == 4
    assert (
        "L-BLB-1: marked for ['canary', 'incident', 'smoke'], required by ['canary', 'incident']"
        in left_by("contradiction").said
    )


def test_a_target_raises_a_severity_and_never_lowers_it(left_by: Callable[[str], Ran]) -> None:
    """A severity from the target moves a check above the gate, a milder one is not taken, an unknown check
    is refused.
    """
    assert left_by("raised").code == 10
    assert (
        left_by("raised").check("L-BLB-1")["severity"],
        left_by("raised").check("L-SWI-1")["severity"],
    ) == ("P0", "P0")
    assert left_by("unknown row").code == 4
    assert "L-BLB-9" in left_by("unknown row").said


def test_a_limit_of_the_target_judges_and_is_shown(left_by: Callable[[str], Ran]) -> None:
    """A limit from the target decides, and the finding and the journal say where it comes from."""
    check = left_by("limit").check("L-BLB-1")
    assert check["verdict"] == "FAIL"
    assert check["findings"][0]["limits"] == [
        "brightness = 1000 lumen (set in the target; default 10: runbook 1)"
    ]
    assert left_by("limit").journal[0]["limits"]["lamp"]["brightness"]["value"] == 1000


def test_a_broken_collection_looks_at_nothing(left_by: Callable[[str], Ran]) -> None:
    """With a file that cannot be collected nothing is looked at, whatever pytest is told."""
    assert left_by("collection goes on").code == 3
    assert [r for r in left_by("collection goes on").journal if r["kind"] == "observation"] == []


def test_pytest_html_may_be_switched_off(left_by: Callable[[str], Ran]) -> None:
    """A run without pytest-html is refused in words or works; it is no internal error."""
    assert left_by("without pytest-html").code in (0, 4)


def test_collecting_looks_at_nothing(left_by: Callable[[str], Ran]) -> None:
    """--collect-only makes no run folder and touches no target."""
    assert left_by("collect only").code == 0
    assert not (left_by("collect only").folder / "journal.jsonl").exists()
    assert (
        "L-" not in left_by("collect only").stdout or "test_the_bulb_shines" in left_by("collect only").stdout
    )


def test_two_runs_leave_two_folders(left_by: Callable[[str], Ran]) -> None:
    """Each run has a folder of its own, and `latest` points to the newest."""
    newest = left_by("twice").folder
    assert (newest.parent / "latest").resolve() == newest.resolve()

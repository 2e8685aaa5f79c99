"""What a check concludes, as a real run reports it on every surface."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.engine.project import Ran

GOOD = "Finding(holds=True, reason='fine', expected='e', observed='o')"
BAD = "Finding(holds=False, reason='too-bad', expected='e', observed='o')"
OPEN = "Finding(holds=None, reason='part-missing', expected='e', observed='one lamp of two')"
BROKEN = {
    "L-BLB-21": (f"verify({GOOD})\nassert 1 == 2, 'bare'", ""),
    "L-BLB-22": (f"verify({GOOD})\n{{}}['depth']", ""),
    "L-BLB-23": ("pass", ""),
    "L-BLB-24": ("pytest.skip('not today')", ""),
    "L-BLB-25": ("pytest.fail('no')", ""),
    "L-BLB-26": ("pytest.xfail('known')", ""),
    "L-BLB-27": (f"verify({GOOD})", "@pytest.mark.skip(reason='later')"),
    "L-BLB-28": (f"verify({GOOD})", "@pytest.mark.xfail(run=False)"),
    "L-BLB-29": ("raise SystemExit(0)", ""),
}


def _troubled(project: Project) -> Ran:
    for check_id, (body, decorate) in BROKEN.items():
        project.check(check_id, body, takes="brightness", decorate=decorate)
    project.check(
        "L-BLB-31", f"verify({BAD})", takes="brightness", marker="next_step='replace it', runbook='§3'"
    )
    project.check(
        "L-BLB-32", f"verify({BAD})", takes="brightness", decorate="@pytest.mark.xfail(reason='known')"
    )
    project.check(
        "L-BLB-33", f"verify({GOOD})", takes="brightness", decorate="@pytest.mark.xfail(strict=True)"
    )
    project.check(
        "L-BLB-34", f"try:\n    verify({BAD})\nexcept AssertionError:\n    pass", takes="brightness"
    )
    project.check("L-BLB-36", f"verify({GOOD}, {OPEN})", takes="brightness", marker="next_step='replace it'")
    project.check("L-BLB-35", f"verify({BAD})", takes="brightness", marker="advisory=True", severity="P0")
    return project.run("--profile", "smoke")


class Pressing(NamedTuple):
    """A run of the canary, and whether the switch was pressed."""

    ran: Ran
    pressed: bool


def _canary(
    arm_for: int | None, *arguments: str, lamp: str = 'switch = "switch.json"\n'
) -> Callable[[Project], Pressing]:
    def act(project: Project) -> Pressing:
        expires = (datetime.now(UTC) + timedelta(hours=arm_for or 0)).isoformat()
        arm = "" if arm_for is None else f'[arm]\nactions = ["press"]\nexpires = {expires}\n'
        project.target(f'name = "porch"\n{arm}[lamp]\nbulb = "bulb.json"\n{lamp}')
        ran = project.run("--profile", "canary", "--target", "live", *arguments)
        return Pressing(ran, (project.folder / "switch.pressed").exists())

    return act


def _asynchronous(project: Project) -> Ran:
    project.check("L-BLB-41", f"verify({GOOD})", takes="brightness")
    file = project.folder / "checks/lamp/test_added_l_blb_41.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("def test_", "async def test_"), encoding="utf-8"
    )
    return project.run("--profile", "smoke")


RUNS: dict[str, Callable[[Project], Ran | Pressing]] = {
    "troubled": _troubled,
    "unarmed": _canary(None),
    "armed": _canary(1, "--arm", "porch"),
    "unconfirmed": _canary(1),
    "expired": _canary(-1, "--arm", "porch"),
    "absent": _canary(None, lamp='[lamp.absent]\nswitch = "sold in spring"\n'),
    "asynchronous": _asynchronous,
}


@pytest.fixture(scope="module")
def troubled(left_by: Callable[[str], Ran]) -> Ran:
    """A run with broken, failing and marked checks."""
    return left_by("troubled")


@pytest.mark.parametrize("check_id", BROKEN)
def test_a_broken_check_is_unknown_everywhere(check_id: str, troubled: Ran) -> None:
    """A bare assert, another error, no verify, and pytest's own skip, fail and xfail are UNKNOWN in JSON and
    JUnit.
    """
    assert (troubled.check(check_id)["verdict"], troubled.check(check_id)["reason"]) == (
        "UNKNOWN",
        "check-broken",
    )
    case = troubled.cases[check_id]
    assert case.outcome in ("failure", "error")
    assert "P1 UNKNOWN check-broken" in case.message
    assert case.properties["verdict"] == "UNKNOWN"


def test_a_skip_that_is_not_on_the_list_says_so(troubled: Ran) -> None:
    """A check that skips by itself is told that the list of reasons is closed."""
    for check_id in ("L-BLB-24", "L-BLB-27"):
        assert "not on the closed list of reasons" in troubled.check(check_id)["explanation"]


def test_a_failure_says_it_all_in_its_first_line(troubled: Ran) -> None:
    """The first line of a JUnit failure is severity, verdict and reason; the text has what to do next."""
    case = troubled.cases["L-BLB-31"]
    assert case.outcome == "failure"
    assert case.message.splitlines()[0].startswith("P1 FAIL too-bad · L-BLB-31 lamp · bulb")
    assert "runbook §3: replace it" in case.text
    assert "respond within 1 h, resolve within 4 h" in case.text


def test_what_cannot_be_told_is_unknown_everywhere(troubled: Ran) -> None:
    """A finding that is open makes the check UNKNOWN with its own reason, in JSON, JUnit, terminal and HTML."""
    check, case = troubled.check("L-BLB-36"), troubled.cases["L-BLB-36"]
    assert (check["verdict"], check["reason"], check["explanation"]) == (
        "UNKNOWN",
        "part-missing",
        "one lamp of two",
    )
    assert [f["holds"] for f in check["findings"]] == [True, None]
    assert "P1 UNKNOWN part-missing · L-BLB-36" in case.message
    assert "undecided part-missing: what was observed does not tell" in case.text
    assert "observed  one lamp of two" in case.text
    assert "replace it" not in case.text  # the next step of a FAIL
    assert "check broken" not in case.text
    assert "<dt>observed</dt><dd><strong>one lamp of two</strong>" in troubled.html


def test_a_failing_check_cannot_hide(troubled: Ran) -> None:
    """A failure that is swallowed or marked xfail fails, a strict xfail that passes passes, an advisory one
    is not gated.
    """
    assert [troubled.check(i)["verdict"] for i in ("L-BLB-32", "L-BLB-33", "L-BLB-34")] == [
        "FAIL",
        "PASS",
        "FAIL",
    ]
    assert troubled.cases["L-BLB-32"].outcome == "failure"
    assert (troubled.check("L-BLB-35")["verdict"], troubled.check("L-BLB-35")["gated"]) == ("FAIL", False)


def test_cases_have_stable_unique_names_and_properties(troubled: Ran) -> None:
    """Each check has one JUnit case, named by its file and function, with the properties that a reader
    filters by.
    """
    names = [(c.classname, c.name) for c in troubled.cases.values()]
    assert len(set(names)) == len(names) == len(troubled.report["checks"])
    case = troubled.cases["L-BLB-1"]
    assert (case.classname, case.name) == ("checks.lamp.test_bulb", "test_the_bulb_shines")
    assert {
        "id": "L-BLB-1",
        "row": "L-BLB-1",
        "system": "lamp",
        "subsystem": "bulb",
        "severity": "P1",
        "gated": "true",
    }.items() <= case.properties.items()


def test_every_report_counts_the_same(troubled: Ran) -> None:
    """JSON, journal, HTML and terminal have the same checks and verdicts."""
    assert troubled.code == 10
    verdicts = troubled.verdicts()
    assert {r["id"]: r["verdict"] for r in troubled.journal if r["kind"] == "finding"} == verdicts
    assert {i: c.properties["verdict"] for i, c in troubled.cases.items()} == verdicts
    for check_id, verdict in verdicts.items():
        assert f">{check_id}<" in troubled.html or f"· {check_id} ·" in troubled.html
        if verdict != "PASS":
            assert f"{verdict:<7} {troubled.check(check_id)['severity']} {check_id}" in troubled.stdout


def test_an_action_that_is_not_armed_is_skipped_with_the_line_to_add(
    left_by: Callable[[str], Pressing],
) -> None:
    """An unarmed action is not taken; SKIP names the line that would arm it, on the first screen, and the
    run is not vacuous.
    """
    check = left_by("unarmed").ran.check("L-SWI-2")
    assert (check["verdict"], check["reason"]) == ("SKIP", "not armed")
    assert 'actions = ["press"]' in check["explanation"]
    assert left_by("unarmed").ran.code == 0
    assert not left_by("unarmed").pressed
    assert left_by("unarmed").ran.cases["L-SWI-2"].outcome == "skipped"


def test_an_armed_and_confirmed_action_is_taken(left_by: Callable[[str], Pressing]) -> None:
    """An action that the target arms and the command line confirms is taken and judged."""
    assert left_by("armed").ran.check("L-SWI-2")["verdict"] == "PASS"
    assert left_by("armed").pressed


@pytest.mark.parametrize(("way", "told"), [("unconfirmed", "--arm porch"), ("expired", "expired")])
def test_arming_takes_the_caller_and_the_clock(
    way: str, told: str, left_by: Callable[[str], Pressing]
) -> None:
    """An armed action is not taken without --arm, nor after its time."""
    check = left_by(way).ran.check("L-SWI-2")
    assert check["verdict"] == "SKIP"
    assert told in check["explanation"]
    assert not left_by(way).pressed


def test_what_is_declared_absent_is_skipped_with_its_reason(left_by: Callable[[str], Pressing]) -> None:
    """Checks of an absent surface are SKIP with the target's reason."""
    for check_id in ("L-SWI-1", "L-SWI-2"):
        check = left_by("absent").ran.check(check_id)
        assert (check["verdict"], check["reason"]) == ("SKIP", "declared absent")
        assert "sold in spring" in check["explanation"]
    assert left_by("absent").ran.code == 0


def test_everything_not_looked_at_is_on_the_first_screen(left_by: Callable[[str], Pressing]) -> None:
    """Terminal and HTML list each skipped check with its reason before any check's details."""
    for check_id in ("L-SWI-1", "L-SWI-2"):
        assert f"not looked at: {check_id}: declared absent: " in left_by("absent").ran.stdout
        head = left_by("absent").ran.html.split("What it ran against", maxsplit=1)[0]
        assert head.index("What was not looked at") < head.index(f"<strong>{check_id}</strong>")
    assert [n["id"] for n in left_by("absent").ran.report["not_looked_at"]] == ["L-SWI-1", "L-SWI-2"]


def test_only_drills_are_coroutines(left_by: Callable[[str], Ran]) -> None:
    """A check that is a coroutine and no drill could not be judged on saved evidence, and is refused."""
    assert left_by("asynchronous").code == 4
    assert "coroutine" in left_by("asynchronous").said


CANNOT_PARSE = """
import _pytest._code.code as shown

def refuse(*_, **__):
    raise SystemError("AST constructor recursion depth mismatch (before=63, after=65)")

shown.getstatementrange_ast = refuse
"""


@pytest.mark.parametrize(
    ("body", "code", "verdict", "reason"),
    [
        ("verify(Finding(holds=False, reason='dim', expected='e', observed='o'))", 10, "FAIL", "dim"),
        ("assert False", 12, "UNKNOWN", "check-broken"),
    ],
)
def test_a_python_that_cannot_show_a_source_still_judges(
    tmp_path: Path, body: str, code: int, verdict: str, reason: str
) -> None:
    """Debian 12's Python may be unable to parse what pytest would show of a failure; the verdict stands all the same."""
    project = Project.make(tmp_path)
    project.check("L-BLB-9", body, severity="P1")
    project.write("cannot_parse.py", CANNOT_PARSE)
    ran = project.run("--profile", "smoke", "-p", "cannot_parse", env={"PYTHONPATH": str(project.folder)})
    assert ran.code == code, ran.said
    check = ran.check("L-BLB-9")
    assert (check["verdict"], check["reason"]) == (verdict, reason)
    assert "INTERNALERROR" not in ran.said

"""What a target answers cannot break or drive what shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"{SCRIPT}\x1b[2J\x1b]0;owned\x07\x00\x08{{{{ 7*7 }}}}{{% raw %}}]]>&\"'\u202e" + "x" * 200_000
SHOWS = (
    "seen = str(brightness.value.value)\n"
    "verify(Finding(holds=False, reason='hostile', expected='e', observed=seen, details=(seen,)))"
)


def _everything(project: Project) -> Ran:
    project.answer("bulb", value=HOSTILE, identity=f"{SCRIPT}\x1b[31m")
    project.answer("switch", **{"raise": "crash", "message": HOSTILE})
    project.check("L-BLB-71", SHOWS, takes="brightness, which_bulb")
    project.check(
        "L-BLB-72",
        f"print(brightness.value.value)\n{SHOWS.replace('hostile', 'printed')}\n",
        takes="brightness",
    )
    return project.run("--profile", "smoke", "--target", "live")


def _answering(value: str | float) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", value=value)
        project.check("L-BLB-73", SHOWS, takes="brightness")
        return project.run("--profile", "smoke", "--target", "live")

    return act


RUNS: dict[str, Callable[[Project], Ran]] = {
    "everything": _everything,
    "lone surrogate": _answering("\ud800 lone"),
    "nan": _answering(float("nan")),
    "infinity": _answering(float("inf")),
}


@pytest.fixture(scope="module")
def ran(left_by: Callable[[str], Ran]) -> Ran:
    """A run whose bulb answers everything at once."""
    return left_by("everything")


def test_the_run_ends_with_its_verdicts(ran: Ran) -> None:
    """A run with hostile values ends with its own status and every report."""
    assert ran.code == 10
    assert ran.verdicts()["L-BLB-71"] == "FAIL"
    assert ran.check("L-SWI-1")["verdict"] == "UNKNOWN"
    assert ran.cases["L-BLB-71"].outcome == "failure"
    assert ran.journal[-1]["kind"] == "end"


def test_html_is_escaped(ran: Ran) -> None:
    """No value becomes markup, and no template is run in it."""
    assert SCRIPT not in ran.html
    assert "&lt;script&gt;alert(1)" in ran.html
    assert "{{ 7*7 }}" in ran.html or "{{ 7*7 }}".replace("{", "&#123;") in ran.html


def test_the_terminal_gets_no_escapes(ran: Ran) -> None:
    """No escape, NUL or backspace reaches the terminal from our own sections."""
    ours = re.split(r"=+ opsverify =+", ran.stdout)[-1]
    assert not set(ours) & set("\x1b\x00\x08\x07")
    failures = ran.stdout.split("Captured stdout", maxsplit=1)[0]
    assert not set(failures) & set("\x1b\x00\x08\x07")


def test_captured_output_gets_no_escapes(ran: Ran) -> None:
    """What a check prints is cleaned like everything else."""
    assert not set(ran.stdout) & set("\x1b\x00\x08\x07")


def test_lines_on_the_terminal_are_bounded(ran: Ran) -> None:
    """A value of 200 kB is cut where it is shown, and how much was cut is said."""
    ours = re.split(r"=+ opsverify =+", ran.stdout)[-1]
    assert max(map(len, ours.splitlines())) < 1200
    assert "more characters)" in ran.cases["L-BLB-71"].text


@pytest.mark.parametrize("value", ["lone surrogate", "nan", "infinity"])
def test_values_that_json_does_not_have(value: str, left_by: Callable[[str], Ran]) -> None:
    """A lone surrogate, NaN or infinity is judged and saved, and every report can be read."""
    ran = left_by(value)
    assert ran.code == 10
    assert ran.verdicts()["L-BLB-73"] == "FAIL"
    assert ran.cases["L-BLB-73"].outcome == "failure"
    assert any(r["kind"] == "observation" and r["name"] == "brightness" for r in ran.journal)

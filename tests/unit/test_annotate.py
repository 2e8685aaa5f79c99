"""Annotations: only what the gate counts, and nothing that a target says is a command."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from opsverify.annotate import github, gitlab
from opsverify.model.verdict import Finding, Severity, Verdict
from opsverify.report.model import CheckResult, RunReport
from tests.unit.reports import report


def check(verdict: Verdict, text: str, *, gated: bool = True) -> CheckResult:
    """A check with a finding that says `text`."""
    finding = Finding(holds=False, reason="r", expected=text, observed=text)
    return CheckResult(
        id="X-ROW-1",
        row="X-ROW-1",
        name=text,
        promise=text,
        system="one",
        subsystem="part",
        severity=Severity.P1,
        verdict=verdict,
        reason="r",
        gated=gated,
        findings=(finding,),
        next_step=text,
        nodeid="checks/one/test_part.py::test_it",
    )


def of(*checks: CheckResult) -> RunReport:
    """A report of these checks."""
    return report().model_copy(update={"checks": checks})


def test_only_what_is_gated_is_annotated() -> None:
    """Ungated failures, waived and passed checks make no annotation."""
    quiet = of(
        check(Verdict.FAIL, "x", gated=False),
        check(Verdict.WAIVED, "x"),
        check(Verdict.PASS, "x"),
        check(Verdict.SKIP, "x"),
    )
    assert github(quiet) == ""
    assert json.loads(gitlab(quiet)) == []
    loud = of(check(Verdict.FAIL, "x"), check(Verdict.UNKNOWN, "x"))
    assert github(loud).count("::error ") == 2
    assert len(json.loads(gitlab(loud))) == 2


@given(st.text())
def test_no_text_makes_a_second_command(text: str) -> None:
    """Whatever a target says, one check is one line and one command."""
    lines = github(of(check(Verdict.FAIL, text))).splitlines()
    assert len([line for line in lines if line.lstrip().startswith("::")]) == 1
    assert len(json.loads(gitlab(of(check(Verdict.FAIL, text))))) == 1

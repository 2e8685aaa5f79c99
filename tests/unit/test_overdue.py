"""What is said of a check that is red for too long."""

from __future__ import annotations

from datetime import timedelta

from opsverify.model.verdict import Severity, Verdict
from opsverify.report.canary import overdue_lines
from opsverify.report.model import CanarySummary, CheckResult, CheckState
from tests.unit.reports import NOW, report


def _check(check_id: str, severity: Severity) -> CheckResult:
    return CheckResult(
        id=check_id,
        row=check_id,
        name="the bulb shines",
        promise="p",
        system="lamp",
        subsystem="bulb",
        severity=severity,
        verdict=Verdict.FAIL,
        reason="dark",
        gated=True,
        resolve_within="4 h",
        nodeid=check_id,
    )


def _state(check: str, *, overdue: bool) -> CheckState:
    red = NOW - timedelta(hours=6)
    return CheckState(
        check=check,
        state="DOWN",
        since=NOW,
        red_since=red,
        overdue_since=red + timedelta(hours=4) if overdue else None,
    )


def test_only_what_is_overdue_is_named_worst_first() -> None:
    """Each check that is overdue has a line with its two instants and whom to escalate to, the gravest first."""
    checks = (_check("L-3", Severity.P3), _check("L-1", Severity.P1), _check("L-0", Severity.P0))
    states = tuple(_state(c.id, overdue=c.id != "L-3") for c in checks)
    shown = report().model_copy(
        update={
            "checks": checks,
            "canary": CanarySummary(history="h", states=states),
            "contact": "#porch",
        }
    )
    assert overdue_lines(shown) == [
        f"OVERDUE {severity} {check} the bulb shines: red since 2026-11-20 21:00Z, resolution was due by 2026-11-21 01:00Z"
        " (4 h); escalate to #porch"
        for severity, check in (("P0", "L-0"), ("P1", "L-1"))
    ]


def test_a_target_without_a_contact_says_so() -> None:
    """Where the target names nobody the line says that, instead of nothing."""
    states = (_state("L-1", overdue=True),)
    shown = report().model_copy(
        update={
            "checks": (_check("L-1", Severity.P1),),
            "canary": CanarySummary(history="h", states=states),
        }
    )
    (line,) = overdue_lines(shown)
    assert line.endswith("; escalate (the target names no contact)")


def test_without_a_history_nothing_is_overdue() -> None:
    """A run that remembers nothing says nothing of how long a check has been red."""
    assert overdue_lines(report().model_copy(update={"checks": (_check("L-1", Severity.P0),)})) == []

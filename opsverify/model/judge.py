"""Judging: checks and observations in, outcomes out. Pure; the same function serves runs, drills, replays and tests."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Observation
from opsverify.model.verdict import CannotTell, CheckFailed, Finding, Outcome, SkipReason, Verdict, deciding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.model.check import Check

__all__ = ["apply", "judge", "precondition", "recording", "verify"]

_findings: ContextVar[list[Finding] | None] = ContextVar("opsverify_findings", default=None)
_SKIPS = {
    ErrorKind.DECLARED_ABSENT: SkipReason.DECLARED_ABSENT,
    ErrorKind.NOT_PUBLISHED: SkipReason.NOT_PUBLISHED,
    ErrorKind.NOT_ARMED: SkipReason.NOT_ARMED,
    ErrorKind.NOT_ON_MACHINE: SkipReason.NOT_ON_MACHINE,
}


def verify(*findings: Finding) -> None:
    """State findings: FAIL if any does not hold, else UNKNOWN if any cannot be told, else PASS.

    A check must call this: one that never does has judged nothing and is UNKNOWN.

    Raises:
        CheckFailed: with every finding that does not hold.
        CannotTell: with every finding that is open, where none fails.
    """
    recorded = _findings.get()
    if recorded is not None:
        recorded.extend(findings)
    if failed := [f for f in findings if f.holds is False]:
        raise CheckFailed(failed)
    if open_ := [f for f in findings if f.holds is None]:
        raise CannotTell(open_)


def recording() -> list[Finding]:
    """Start recording findings in this context, and return the growing list."""
    findings: list[Finding] = []
    _findings.set(findings)
    return findings


def precondition(check: Check, arguments: Mapping[str, Any]) -> Outcome | None:
    """The outcome that is already decided because something was not observed, or None if the check can judge."""
    troubles = [
        (o, o.unobservable) for o in arguments.values() if isinstance(o, Observation) and o.unobservable
    ]
    for one, trouble in troubles:
        if trouble.kind.not_applicable:
            return Outcome(
                verdict=Verdict.SKIP,
                reason=_SKIPS[trouble.kind].value,
                explanation=f"{one.name}: {trouble.seen}",
                cause=trouble.cause,
            )
    for one, trouble in troubles:
        if not (check.unreachable == "fail" and trouble.kind.unreachable):
            return Outcome(
                verdict=Verdict.UNKNOWN, reason=trouble.kind.value, explanation=f"{one.name}: {trouble.seen}"
            )
    if not troubles:
        return None
    findings = tuple(
        Finding(
            holds=False,
            reason=trouble.kind.value,
            expected=f"{' and '.join(one.surfaces)} answers",
            observed=trouble.seen,
            evidence=one.source,
        )
        for one, trouble in troubles
    )
    return Outcome(verdict=Verdict.FAIL, reason=findings[0].reason, findings=findings)


def outcome_from(findings: list[Finding], error: BaseException | None) -> Outcome:
    """The outcome of a check body that recorded `findings` and ended with `error` (or without one)."""
    if isinstance(error, CheckFailed):
        return Outcome(
            verdict=Verdict.FAIL, reason=error.findings[0].reason, findings=tuple(findings) or error.findings
        )
    if isinstance(error, CannotTell):  # a drill's is not recorded
        findings = [*findings, *(f for f in error.findings if f not in findings)]
    elif error is not None:
        return Outcome(
            verdict=Verdict.UNKNOWN,
            reason="check-broken",
            explanation=f"check broken: {type(error).__name__}: {error}",
            findings=tuple(findings),
        )
    if not findings:
        return Outcome(
            verdict=Verdict.UNKNOWN,
            reason="check-broken",
            explanation="check broken: it never called verify()",
        )
    # The body may have swallowed what verify raised; what was found still stands.
    decided = deciding(findings)
    if decided is None:
        return Outcome(verdict=Verdict.PASS, reason=findings[0].reason, findings=tuple(findings))
    if decided.holds is None:
        explanation = "; ".join(f.observed for f in findings if f.holds is None)
        return Outcome(
            verdict=Verdict.UNKNOWN, reason=decided.reason, explanation=explanation, findings=tuple(findings)
        )
    return Outcome(verdict=Verdict.FAIL, reason=decided.reason, findings=tuple(findings))


def apply(check: Check, arguments: Mapping[str, Any]) -> Outcome:
    """Run the body of a synchronous check whose observations are all there."""
    findings, error = recording(), None
    try:
        check.function(**arguments)
    except Exception as raised:  # noqa: BLE001 - whatever a check raises but CheckFailed means that the check is broken
        error = raised
    return outcome_from(findings, error)


def judge(check: Check, arguments: Mapping[str, Any]) -> Outcome:
    """The outcome of `check` on given observations and limits. Pure: no input or output, no clock."""
    return precondition(check, arguments) or apply(check, arguments)

"""The verdict of a check put into pytest's own report of a test: outcome, text, letter, JUnit properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.judge import outcome_from
from opsverify.model.observation import Observation, Unobservable
from opsverify.model.text import bounded_text
from opsverify.model.verdict import Outcome, Verdict
from opsverify.report.junit import Rendering, properties
from opsverify.report.text import headline, message

if TYPE_CHECKING:
    from opsverify.report.model import CheckResult
    from opsverify.run.drill import Drill
    from opsverify.run.run import Run

__all__ = ["LETTERS", "apply_verdict", "judged_from", "outcome_of", "trace", "without_source"]

LETTERS = {
    Verdict.PASS: ("passed", ".", ("PASS", {"green": True})),
    Verdict.FAIL: ("failed", "F", ("FAIL", {"red": True})),
    Verdict.UNKNOWN: ("error", "U", ("UNKNOWN", {"red": True})),
    Verdict.SKIP: ("skipped", "s", ("SKIP", {"yellow": True})),
    Verdict.WAIVED: ("passed", "W", ("WAIVED", {"yellow": True})),
}
"""pytest's category, letter and word of each verdict."""

_PYTEST_OUTCOMES: dict[Verdict, Any] = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.UNKNOWN: "failed",
    Verdict.SKIP: "skipped",
    Verdict.WAIVED: "passed",
}


def outcome_of(run: Run, item: pytest.Function, error: BaseException | None) -> Outcome:
    """The outcome of a check: judged already, or derived from what its fixtures or its coroutine raised."""
    known = run.outcomes.get(item.nodeid)
    if known is not None:
        return known
    if isinstance(error, Unobservable):
        return Outcome(verdict=Verdict.UNKNOWN, reason=error.kind.value, explanation=error.seen)
    if isinstance(error, pytest.skip.Exception):
        explanation = f"skipped for {error.msg!r}, which is not on the closed list of reasons"
        return Outcome(verdict=Verdict.UNKNOWN, reason="check-broken", explanation=explanation)
    drill = _drill(item)
    return outcome_from(drill.findings if drill else [], error)


def judged_from(item: pytest.Function) -> list[Observation[Any]]:
    """The observations that the check was judged from: the session's, or a drill's latest own."""
    drill = _drill(item)
    if drill is not None:
        return drill.observations
    return [value for value in item.funcargs.values() if isinstance(value, Observation)]


def _drill(item: pytest.Function) -> Drill | None:
    drill = item.funcargs.get("drill")
    if drill is None:
        return None
    from opsverify.run.drill import Drill  # noqa: PLC0415 -- only what is asked for is loaded

    return drill if isinstance(drill, Drill) else None


def apply_verdict(item: pytest.Item, report: pytest.TestReport, result: CheckResult) -> None:
    """Put the verdict into pytest's report."""
    report.outcome = _PYTEST_OUTCOMES[result.verdict]
    if hasattr(report, "wasxfail"):
        del report.wasxfail  # a waiver has an owner and an end; an xfail marker has neither
    item.user_properties.extend(properties(result))
    report.user_properties = item.user_properties
    report.verdict = result.verdict  # type: ignore[attr-defined]
    if result.verdict is Verdict.SKIP:
        report.longrepr = (str(item.path), 0, f"Skipped: {result.reason}: {result.explanation}")
    elif result.verdict is Verdict.PASS:
        report.longrepr = None
    else:
        report.longrepr = Rendering(headline(result), message(result))  # type: ignore[assignment]


def trace(raised: pytest.ExceptionInfo[BaseException]) -> str:
    """The suite's own traceback in short; without source where Python 3.11.2 (Debian 12) cannot parse it any more: once
    an expression was too deep for it, each later one may end in SystemError.
    """
    try:
        return bounded_text(str(raised.getrepr(style="short")), 4000)
    except SystemError:
        return bounded_text(raised.exconly(), 4000)


def without_source(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """The report of a failed check where pytest cannot show its source."""
    text = call.excinfo.exconly() if call.excinfo else ""
    when: Any = call.when
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, when)

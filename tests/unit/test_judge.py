"""Only CheckFailed is FAIL; what a check could not see, cannot tell, or breaks on, is UNKNOWN."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.check import Check
from opsverify.model.judge import judge, outcome_from, recording, verify
from opsverify.model.ladder import Rung, fail, fine, first_of, unknown
from opsverify.model.observation import ErrorKind, Observation, Unobservable
from opsverify.model.verdict import CannotTell, CheckFailed, Finding, Severity, SkipReason, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = Finding(holds=True, reason="bright", expected="light", observed="light")
BAD = Finding(holds=False, reason="too-dark", expected="light", observed="none")


def check(function: Callable[..., Any], unreachable: Literal["unknown", "fail"] = "unknown") -> Check:
    """A check with this body."""
    return Check(
        id="L-BLB-1",
        row="L-BLB-1",
        severity=Severity.P1,
        profiles=frozenset({"smoke"}),
        system="lamp",
        subsystem="bulb",
        name="it",
        promise="it",
        nodeid=str(Path(__file__)),
        function=function,
        unreachable=unreachable,
    )


def seen(outcome: Any, name: str = "brightness") -> Observation[Any]:
    """An observation with this outcome."""
    return Observation(name, "lamp", ("bulb",), outcome, datetime.now(UTC), source=("read bulb",))


def never_called(**_arguments: Any) -> None:
    """A body that must not run."""
    raise AssertionError


def _swallows(**_arguments: Any) -> None:
    try:
        verify(BAD)
    except CheckFailed:
        verify(GOOD)


def _asserts(**_arguments: Any) -> None:
    verify(GOOD)
    number = 1
    assert number == 2, "bare"


def _key_error(**_arguments: Any) -> None:
    empty: dict[str, int] = {}
    empty["depth"]


def test_what_holds_passes_with_its_findings() -> None:
    """A check whose findings all hold passes and keeps them."""
    outcome = judge(check(lambda: verify(GOOD, GOOD)), {})
    assert (outcome.verdict, outcome.findings) == (Verdict.PASS, (GOOD, GOOD))


def test_one_finding_that_does_not_hold_fails() -> None:
    """A check fails with the reason of what does not hold, and shows what held before."""

    def body() -> None:
        verify(GOOD)
        verify(GOOD, BAD)

    outcome = judge(check(body), {})
    assert (outcome.verdict, outcome.reason) == (Verdict.FAIL, "too-dark")
    assert outcome.findings == (GOOD, GOOD, BAD)


def test_a_failure_that_the_check_swallows_still_stands() -> None:
    """A check that catches its own failure fails."""
    assert judge(check(_swallows), {}).verdict is Verdict.FAIL
    assert judge(check(_swallows), {}).reason == "too-dark"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (_asserts, "AssertionError: bare"),
        (_key_error, "KeyError: 'depth'"),
        (lambda: None, "never called verify"),
    ],
)
def test_a_broken_check_is_unknown(body: Callable[..., Any], told: str) -> None:
    """A bare assert, any other error, and a check that never verifies are UNKNOWN "check-broken"."""
    outcome = judge(check(body), {})
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "check-broken")
    assert told in outcome.explanation


def test_an_endpoint_that_must_answer_fails_with_a_finding_that_does_not_hold() -> None:
    """Where silence is the system's doing, the finding says so: it does not hold, and what was asked is its evidence."""
    outcome = judge(
        check(never_called, unreachable="fail"), {"brightness": seen(Unobservable(ErrorKind.REFUSED, "no"))}
    )
    (finding,) = outcome.findings
    assert (outcome.verdict, outcome.reason) == (Verdict.FAIL, "refused")
    assert (finding.holds, finding.observed, finding.evidence) == (False, "no", ("read bulb",))


def test_why_it_does_not_apply_is_told() -> None:
    """A SKIP names the observation, what was said of it, and what it shares with others."""
    absent = Unobservable(ErrorKind.DECLARED_ABSENT, "bulb: none here")
    outcome = judge(check(never_called), {"brightness": seen(absent)})
    assert (outcome.verdict, outcome.explanation, outcome.cause) == (
        Verdict.SKIP,
        "brightness: bulb: none here",
        "bulb declared absent",
    )


def test_a_check_that_breaks_keeps_what_it_had_found() -> None:
    """What was stated before the error stands beside it."""

    def breaks(**_arguments: Any) -> None:
        verify(GOOD)
        raise KeyError

    outcome = judge(check(breaks), {})
    assert (outcome.verdict, outcome.findings) == (Verdict.UNKNOWN, (GOOD,))
    silent = judge(check(lambda **_: None), {})
    assert silent.explanation == "check broken: it never called verify()"


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C in a check's body ends the run."""

    def body() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(check(body), {})


@pytest.mark.parametrize("unreachable", ["unknown", "fail"])
@pytest.mark.parametrize("kind", list(ErrorKind))
def test_what_was_not_observed_decides_before_the_body(
    kind: ErrorKind, unreachable: Literal["unknown", "fail"]
) -> None:
    """Each reason gives SKIP, UNKNOWN, or FAIL where the check says that an unreachable endpoint is the
    failure.
    """
    outcome = judge(check(never_called, unreachable), {"brightness": seen(Unobservable(kind, "told"))})
    skips = {
        ErrorKind.DECLARED_ABSENT: SkipReason.DECLARED_ABSENT,
        ErrorKind.NOT_PUBLISHED: SkipReason.NOT_PUBLISHED,
        ErrorKind.NOT_ARMED: SkipReason.NOT_ARMED,
        ErrorKind.NOT_ON_MACHINE: SkipReason.NOT_ON_MACHINE,
    }
    fails = {
        ErrorKind.REFUSED,
        ErrorKind.SILENT,
        ErrorKind.RESET,
        ErrorKind.SERVER_ERROR,
        ErrorKind.CERTIFICATE_EXPIRED,
    }
    if kind in skips:
        assert (outcome.verdict, outcome.reason) == (Verdict.SKIP, skips[kind].value)
    elif unreachable == "fail" and kind in fails:
        assert (outcome.verdict, outcome.reason) == (Verdict.FAIL, kind.value)
        assert outcome.findings[0].evidence == ("read bulb",)
    else:
        assert (outcome.verdict, outcome.reason, outcome.explanation) == (
            Verdict.UNKNOWN,
            kind.value,
            "brightness: told",
        )


KINDS = st.lists(st.one_of(st.none(), st.sampled_from(ErrorKind)), min_size=1, max_size=4)


@given(KINDS, st.sampled_from(["unknown", "fail"]))
def test_a_check_never_passes_or_fails_on_what_it_could_not_see(
    kinds: list[ErrorKind | None], unreachable: Literal["unknown", "fail"]
) -> None:
    """With anything unobserved there is no PASS; a FAIL needs every trouble to be an endpoint that did not
    serve.
    """
    arguments = {
        f"o{i}": seen(7 if kind is None else Unobservable(kind, "told"), f"o{i}")
        for i, kind in enumerate(kinds)
    }
    outcome = judge(check(lambda **_: verify(GOOD), unreachable), arguments)
    troubles = [k for k in kinds if k is not None]
    if not troubles:
        assert outcome.verdict is Verdict.PASS
    elif any(k.not_applicable for k in troubles):
        assert outcome.verdict is Verdict.SKIP
    elif unreachable == "fail" and all(k.unreachable for k in troubles):
        assert outcome.verdict is Verdict.FAIL
    else:
        assert outcome.verdict is Verdict.UNKNOWN


@given(st.lists(st.sampled_from([GOOD, BAD, BAD.model_copy(update={"reason": "flickers"})]), max_size=5))
def test_judging_twice_gives_the_same(findings: list[Finding]) -> None:
    """The same check on the same observations has the same outcome."""
    one = check(lambda: verify(*findings)) if findings else check(lambda: None)
    assert judge(one, {}) == judge(replace(one), {})
    assert (judge(one, {}).verdict is Verdict.PASS) == (bool(findings) and all(f.holds for f in findings))


def test_verify_without_findings_is_no_judgement() -> None:
    """Verifying nothing is UNKNOWN, not PASS."""
    assert judge(check(verify), {}).verdict is Verdict.UNKNOWN


def test_recordings_do_not_mix() -> None:
    """What one check finds is not found by the next."""
    first = recording()
    verify(GOOD)
    second = recording()
    assert (first, second) == ([GOOD], [])
    assert outcome_from(second, None).verdict is Verdict.UNKNOWN


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_is_the_worst(verdicts: list[Verdict]) -> None:
    """FAIL is worse than UNKNOWN, WAIVED, SKIP and PASS, in this order; of none there is none."""
    order = ["FAIL", "UNKNOWN", "WAIVED", "SKIP", "PASS"]
    assert worst(verdicts) == (min(verdicts, key=lambda v: order.index(v.value)) if verdicts else None)


OPEN = Finding(holds=None, reason="part-missing", expected="light", observed="one of two lamps answers")


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize(
    ("findings", "verdict", "reason"),
    [
        ((GOOD, OPEN), Verdict.UNKNOWN, "part-missing"),
        ((OPEN, BAD), Verdict.FAIL, "too-dark"),
        ((BAD, OPEN), Verdict.FAIL, "too-dark"),
        ((OPEN, OPEN.model_copy(update={"reason": "too-early"})), Verdict.UNKNOWN, "part-missing"),
    ],
)
def test_what_cannot_be_told_is_unknown(
    findings: tuple[Finding, ...], verdict: Verdict, reason: str, *, swallowed: bool
) -> None:
    """An open finding makes a check UNKNOWN, unless another does not hold; also where the body hides what verify raised."""

    def body() -> None:
        with suppress(CannotTell, CheckFailed) if swallowed else nullcontext():
            verify(*findings)

    outcome = judge(check(body), {})
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.findings == findings
    assert (outcome.explanation.split("; ")[0] == OPEN.observed) is (verdict is Verdict.UNKNOWN)


HOLDS = st.sampled_from([False, None, True])


@given(st.lists(st.tuples(HOLDS, st.booleans()), max_size=6))
def test_a_ladder_says_the_worst_that_applies(steps: list[tuple[bool | None, bool]]) -> None:
    """The first step that fails, else the first that is unknown, else the first that is fine, else the last word."""
    made = [Rung(str(number), holds, applies) for number, (holds, applies) in enumerate(steps)]
    applying = [step for step in made if step.applies]
    worst_first = sorted(applying, key=lambda step: [False, None, True].index(step.holds))
    wanted = (worst_first[0].reason, worst_first[0].holds) if worst_first else ("ok", True)
    assert first_of(*made, ok="ok") == wanted


def test_a_ladder_reads_as_it_is_written() -> None:
    """Steps apply by truth; the judgement makes the finding."""
    judged = first_of(fail("cut", []), fine("idle", "yes"), unknown("silent", ["oak"]), ok="reached")
    found = judged.finding(expected="all", observed="oak is silent", details=("d",), limits=("l",))
    assert (found.holds, found.reason, found.details, found.limits) == (None, "silent", ("d",), ("l",))
    assert first_of(fail("cut", "oak"), unknown("silent", when=True), ok="reached") == ("cut", False)
    assert first_of(fail("cut", 0), ok="reached") == ("reached", True)

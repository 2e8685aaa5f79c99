"""What a waiver covers, and what it never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.verdict import Finding, Outcome, Severity, Verdict
from opsverify.report.model import CheckResult
from opsverify.target.waivers import Waiver, WaiverError, Waivers, load_waivers

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GOOD = """
[[waiver]]
check = "L-BLB-1"
target = "porch"
code = "too-dark"
owner = "ada"
reason = "the new bulb comes on Friday"
expires = 2026-06-05T12:00:00Z
"""


def waiver(**changes: Any) -> Waiver:
    """A waiver of L-BLB-1 for four days."""
    fields = {
        "check": "L-BLB-1",
        "target": "porch",
        "code": "too-dark",
        "owner": "ada",
        "reason": "Friday",
        "expires": NOW + timedelta(days=4),
    }
    return Waiver(**(fields | changes))


def failing(*codes: str) -> Outcome:
    """A failure for some reasons."""
    findings = tuple(Finding(holds=False, reason=c, expected="e", observed="o") for c in codes)
    return Outcome(verdict=Verdict.FAIL, reason=codes[0], findings=findings)


def result(outcome: Outcome, check: str = "L-BLB-1") -> CheckResult:
    """A check's result with this outcome."""
    return CheckResult(
        id=check,
        row=check,
        name="n",
        promise="p",
        system="lamp",
        subsystem="bulb",
        severity=Severity.P1,
        verdict=outcome.verdict,
        reason=outcome.reason,
        gated=True,
        findings=outcome.findings,
        nodeid=check,
    )


def test_a_waiver_covers_exactly_its_reason() -> None:
    """A failure for the waived reason is WAIVED, with owner, end and reason beside what was found."""
    waived = Waivers([waiver()]).applied("L-BLB-1", failing("too-dark"), NOW)
    assert waived.verdict is Verdict.WAIVED
    assert waived.explanation == "too-dark waived by ada until 2026-06-05 12:00Z: Friday"
    assert waived.findings[0].details == (waived.explanation,)
    assert (waived.reason, waived.findings[0].observed) == ("too-dark", "o")


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        ("L-BLB-1", failing("flickers")),
        ("L-BLB-1", failing("too-dark", "flickers")),
        ("L-BLB-1b", failing("too-dark")),
        ("L-BLB-1", Outcome(verdict=Verdict.UNKNOWN, reason="too-dark")),
        ("L-BLB-1", Outcome(verdict=Verdict.PASS, reason="too-dark")),
        ("L-BLB-1", Outcome(verdict=Verdict.SKIP, reason="too-dark")),
    ],
)
def test_anything_else_stays_as_it_is(check: str, outcome: Outcome) -> None:
    """Another reason, a further reason, a worse letter of the row, UNKNOWN, SKIP and PASS are untouched."""
    assert Waivers([waiver()]).applied(check, outcome, NOW) == outcome


def test_two_reasons_need_two_waivers() -> None:
    """A check that fails for two reasons is WAIVED only where both are waived."""
    both = Waivers([waiver(), waiver(code="flickers", owner="bob")])
    waived = both.applied("L-BLB-1", failing("too-dark", "flickers"), NOW)
    assert waived.verdict is Verdict.WAIVED
    assert ("ada" in waived.explanation, "bob" in waived.explanation) == (True, True)


def test_an_expired_waiver_covers_nothing_and_says_so() -> None:
    """From its end on the failure is a plain FAIL, and the report names the waiver that has ended."""
    over = Waivers([waiver(expires=NOW)], "w.toml")
    outcome = over.applied("L-BLB-1", failing("too-dark"), NOW)
    assert outcome.verdict is Verdict.FAIL
    assert "ada" in outcome.explanation
    assert "has expired" in outcome.findings[0].details[0]
    assert over.warnings([], NOW) == [
        "w.toml: waiver of L-BLB-1 (too-dark, ada) expired at 2026-06-01 12:00Z; remove it or renew it"
    ]


def test_waivers_that_match_nothing_are_reported() -> None:
    """A waiver whose check passes, fails otherwise or could not be seen is told; one that covers, or did not run, is not."""
    mine = Waivers([waiver()], "w.toml")
    assert mine.warnings([result(failing("too-dark"))], NOW) == []
    assert mine.warnings([result(mine.applied("L-BLB-1", failing("too-dark"), NOW))], NOW) == []
    assert mine.warnings([], NOW) == []
    for outcome, seen in (
        (Outcome(verdict=Verdict.PASS, reason="too-dark"), "PASS"),
        (Outcome(verdict=Verdict.UNKNOWN, reason="refused"), "UNKNOWN"),
        (failing("flickers"), "FAIL for flickers"),
    ):
        (told,) = mine.warnings([result(outcome)], NOW)
        assert told.endswith(f"matches nothing: the check is {seen}")


@pytest.mark.parametrize(
    ("severity", "days", "fits"),
    [
        ("P0", 7, True),
        ("P0", 7.1, False),
        ("P1", 90, True),
        ("P1", 90.1, False),
        (None, 8, True),
        ("P3", 8, True),
    ],
)
def test_how_far_ahead_a_waiver_may_end(severity: str | None, days: float, *, fits: bool) -> None:
    """A P0 is waived for a week at most, anything else for 90 days."""
    known = {"L-BLB-1": Severity(severity) if severity else None}
    told = Waivers([waiver(expires=NOW + timedelta(days=days))], "w.toml").troubles(known, NOW)
    assert (told == []) is fits
    assert fits or "so at most until" in told[0]


def test_an_unknown_check_is_told() -> None:
    """A waiver of a check that nobody has is trouble."""
    assert Waivers([waiver()], "w.toml").troubles({}, NOW) == ["w.toml: waiver of L-BLB-1: no such check"]


def test_a_file_serves_several_targets(tmp_path: Path) -> None:
    """Only the waivers of the run's own target are taken."""
    path = tmp_path / "waivers.toml"
    path.write_text(GOOD + GOOD.replace("porch", "cellar"), encoding="utf-8")
    assert load_waivers(path, "porch").applied("L-BLB-1", failing("too-dark"), NOW).verdict is Verdict.WAIVED
    assert load_waivers(path, "attic").applied("L-BLB-1", failing("too-dark"), NOW).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace('owner = "ada"', ""), "waiver.0.owner: field required"),
        (GOOD.replace('"ada"', '""'), "waiver.0.owner"),
        (GOOD.replace("12:00:00Z", "12:00:00"), "should have timezone info"),
        (GOOD.replace("2026-06-05T12:00:00Z", '"soon"'), "waiver.0.expires"),
        (GOOD + 'severity = "P1"\n', "waiver.0.severity"),
        ("waiver = 3\n", "waiver"),
        ("[[waiver]\n", "not valid TOML"),
        ("\x00", "not valid TOML"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """What is missing, wrong or unknown in a waiver file is told with file and key."""
    path = tmp_path / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WaiverError, match=r"waivers\.toml") as caught:
        load_waivers(path, "porch")
    assert told in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A waiver file that is named and not there is trouble, never no waivers."""
    with pytest.raises(WaiverError, match="cannot be read"):
        load_waivers(tmp_path / "none.toml", "porch")


CODES = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(CODES, min_size=1, unique=True),
    st.dictionaries(CODES, st.sampled_from([-1, 1])),
)
def test_waived_means_that_all_of_it_is_waived(codes: list[str], waived: dict[str, int]) -> None:
    """A failure is WAIVED exactly where each of its reasons has a waiver in force."""
    mine = Waivers(waiver(code=code, expires=NOW + timedelta(hours=ahead)) for code, ahead in waived.items())
    verdict = mine.applied("L-BLB-1", failing(*codes), NOW).verdict
    covered = all(waived.get(code) == 1 for code in codes)
    assert verdict is (Verdict.WAIVED if covered else Verdict.FAIL)

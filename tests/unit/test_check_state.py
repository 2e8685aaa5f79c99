"""When a check is down, up, blind or flapping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.check_state import CheckSample, CheckStatus, State, step
from opsverify.model.verdict import Severity, Verdict
from opsverify.target.canary import CanaryTable

RULES = CanaryTable()
START = datetime(2026, 1, 1, tzinfo=UTC)
VERDICTS = {
    "P": Verdict.PASS,
    "F": Verdict.FAIL,
    "C": Verdict.FAIL,  # confirmed by a second sample
    "U": Verdict.UNKNOWN,
    "S": Verdict.SKIP,
    "W": Verdict.WAIVED,
}


def after(looks: str, severity: Severity = Severity.P1, rules: CanaryTable = RULES) -> list[CheckStatus]:
    """How a check stands after each of some looks, a minute apart."""
    standings: list[CheckStatus] = []
    for number, letter in enumerate(looks):
        look = CheckSample(
            VERDICTS[letter], severity, START + timedelta(minutes=number), confirmed=letter == "C"
        )
        standings.append(step(standings[-1] if standings else None, look, rules))
    return standings


def states(looks: str, severity: Severity = Severity.P1, rules: CanaryTable = RULES) -> list[str]:
    """The states after each look."""
    return [s.state.value for s in after(looks, severity, rules)]


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ("P", "NEW"),
        ("PP", "UP"),
        ("PPF", "UP"),
        ("PPFF", "UP"),
        ("PPFFF", "DOWN"),
        ("PPFFFP", "DOWN"),
        ("PPFFFPP", "UP"),
        ("PPFFPF", "UP"),
        ("FFF", "DOWN"),
        ("PPFUFUF", "DOWN"),
        ("PPFFFPUP", "DOWN"),
        ("PPUUU", "NO DATA"),
        ("PPUUPU", "UP"),
        ("PPUUUP", "NO DATA"),
        ("PPUUUPP", "UP"),
        ("PPFFFUUU", "NO DATA"),
        ("PPFFFUUUF", "DOWN"),
        ("PPFFSF", "DOWN"),
        ("PPFFWF", "DOWN"),
        ("PPSSSWWW", "UP"),
        ("PPFPFP", "FLAPPING"),
        ("PPFUPSFUP", "FLAPPING"),
    ],
)
def test_the_counts_make_the_state(looks: str, state: str) -> None:
    """Three failures go down, two successes come up, three blind looks are NO DATA, four changes in ten are FLAPPING."""
    assert states(looks)[-1] == state


@pytest.mark.parametrize(
    ("looks", "severity", "state"),
    [
        ("PPC", Severity.P0, "DOWN"),
        ("PPF", Severity.P0, "UP"),
        ("PPC", Severity.P1, "UP"),
        ("PPCP", Severity.P0, "DOWN"),
        ("PPCPP", Severity.P0, "UP"),
        ("PPFFF", Severity.P0, "DOWN"),
    ],
)
def test_a_p0_goes_down_at_once_when_confirmed(looks: str, severity: Severity, state: str) -> None:
    """One confirmed failure takes a P0 down, and nothing milder; it comes up like any other."""
    assert states(looks, severity)[-1] == state


def test_since_is_when_the_state_began() -> None:
    """A state is dated from the look that made it, not from the last."""
    last = after("PPFFFFF")[-1]
    assert (last.state, last.since) == (State.DOWN, START + timedelta(minutes=4))


def test_flapping_ends_when_it_is_calm() -> None:
    """FLAPPING is told once: it lasts until the window holds at most one change, then says what is."""
    told = states("PPFPFP" + "P" * 9)
    assert [b for a, b in pairwise(told) if a != b] == ["UP", "FLAPPING", "UP"]
    assert states("PPFPFP" + "F" * 12)[-1] == "DOWN"


@pytest.mark.parametrize(
    ("looks", "red_since"),
    [
        ("PPF", 2),
        ("PPFFF", 2),
        ("PPC", 2),
        ("PPFP", None),
        ("PPFPF", 2),
        ("PPFPPF", 5),
        ("PPFFFP", None),
        ("PPFFFPF", 2),
        ("PPFUUU", 2),
        ("PPFPU", None),
        ("PPUUUF", 5),
        ("UUUU", None),
        ("PPFW", None),
        ("PPFS", None),
        ("PPFWF", 2),
        ("PPWWF", 4),
    ],
)
def test_red_since_is_the_first_failure(looks: str, red_since: int | None) -> None:
    """A check is red since its first failure after it was up, not since it was called DOWN; one good look does not end
    that, what could not be seen does not, and while it is waived it is not red.
    """
    last = after(looks, Severity.P0)[-1]
    since = START + timedelta(minutes=red_since) if red_since is not None else None
    assert (last.red_since if last.red else None) == since


@pytest.mark.parametrize(("severity", "hours"), [("P0", 2), ("P1", 4), ("P2", 24), ("P3", 168)])
def test_overdue_after_its_severitys_time(severity: str, hours: int) -> None:
    """What is red had to be resolved in its severity's time, counted from its first failure."""
    last = after("PPFFF")[-1]
    due = START + timedelta(minutes=2, hours=hours)
    assert last.overdue_since(Severity(severity)) == due
    assert after("PPFFFP")[-1].overdue_since(Severity(severity)) is None


def test_counts_can_be_set() -> None:
    """A target may ask for other counts."""
    hasty = CanaryTable(down_after=1, up_after=1, blind_after=1, flapping_changes=9, flapping_runs=10)
    assert states("PFPUF", rules=hasty) == ["UP", "DOWN", "UP", "NO DATA", "DOWN"]


LOOKS = st.text(alphabet="PFCUSW", max_size=40)


@given(LOOKS)
def test_skip_and_waived_change_nothing(looks: str) -> None:
    """A history with SKIP and WAIVED taken out ends in the same state."""
    bare = "".join(letter for letter in looks if letter not in "SW")
    if bare:
        frozen, plain = after(looks)[-1], after(bare)[-1]
        assert (frozen.state, frozen.recent, frozen.failures) == (plain.state, plain.recent, plain.failures)


@given(LOOKS, st.sampled_from(list(Severity)))
def test_nothing_is_up_that_was_not_seen_twice(looks: str, severity: Severity) -> None:
    """A check comes up only with two successes in a row, and goes down only with a failure; nothing else moves it there."""
    standings = after(looks, severity)
    for number, (before, now) in enumerate(pairwise(standings), 1):
        seen = looks[number]
        if before.settled is not State.UP and now.settled is State.UP:
            assert seen == "P"
            assert now.recent.endswith("PP")
        if before.settled is not State.DOWN and now.settled is State.DOWN:
            assert seen in "FC"
        if now.settled is State.NO_DATA and before.settled is not State.NO_DATA:
            assert now.recent.endswith("UUU")


@given(LOOKS)
def test_what_could_not_be_seen_is_never_good_news(looks: str) -> None:
    """One more UNKNOWN never brings a check up, and never takes failures back."""
    before = after(looks + "P")[-1]
    now = after(looks + "PU")[-1]
    assert now.failures == before.failures
    assert now.successes == 0
    assert before.settled is State.UP or now.settled is not State.UP


@given(LOOKS)
def test_red_since_never_moves_forward_while_it_lasts(looks: str) -> None:
    """However looks follow each other, the first failure stays the first until the check succeeds twice in a row."""
    for before, now in pairwise(after(looks)):
        assert now.red_since in (before.red_since, None) or before.red_since is None
        assert before.red_since is None or now.red_since is not None or now.recent.endswith("PP")


@given(LOOKS)
def test_memory_is_bounded(looks: str) -> None:
    """Only the last ten looks are kept."""
    assert all(len(s.recent) <= RULES.flapping_runs for s in after(looks))


@given(LOOKS)
def test_three_failures_in_a_row_are_always_down(looks: str) -> None:
    """Whatever came before, three failures and nothing else settle it."""
    assert after(looks + "FFF")[-1].settled is State.DOWN
    assert after(looks + "PP")[-1].settled is State.UP

"""Each threshold of each check has rows just below, at and just above what was observed; at its limit a value is good."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.evidence.boundaries import Turn, thresholds, turn_of
from tests.evidence.reasons import BAD_AT_ITS_LIMIT, MAY_BE, ROWS_BY_HAND
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@cache
def turns(system: str) -> dict[tuple[str, str], Turn | None]:
    """Check and threshold → where what is said of recorded evidence turns."""
    checks = checks_of(system)
    return {
        (check, name): turn_of(system, checks[check], name, cases)
        for (check, name), cases in thresholds(system).items()
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_threshold_of_each_check_has_its_rows(system: str) -> None:
    """A threshold that a check reads decides: evidence turns with it, or a test of units has the rows."""
    without = {each for each, turn in turns(system).items() if turn is None}
    by_hand = {each for each in ROWS_BY_HAND if each[0] in checks_of(system)}
    assert without - by_hand == set(), "nothing recorded turns"
    assert by_hand - without == set(), "recorded evidence has the rows by now"


@pytest.mark.parametrize("system", SYSTEMS)
def test_at_its_limit_a_value_is_good(system: str) -> None:
    """What is exactly at its limit keeps the promise; but where the protocol or the runbook says that it is bad from there on."""
    bad = {each for each, turn in turns(system).items() if turn and turn.at and turn.at[0] != "PASS"}
    named = {each: why for each, why in BAD_AT_ITS_LIMIT.items() if each[0] in checks_of(system)}
    assert bad - named.keys() == set()
    assert {each for each, why in named.items() if why not in MAY_BE} - bad == set()


def test_rows_by_hand_are_there() -> None:
    """The test of units that holds the rows of a threshold exists."""
    for where in ROWS_BY_HAND.values():
        path, _, test = where.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), where


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_limit_breaks_a_check(system: str) -> None:
    """Whatever number a target gives a limit, its checks can be judged."""
    checks, broken = checks_of(system), set[tuple[str, str, float]]()
    for (check, name), cases in thresholds(system).items():
        case, seen = cases[0]
        limits = limits_of(system, case.limits)
        limit = getattr(limits, name)
        for value in (0.0, 1e-3, 1.0, limit.value * 1000):
            instead = limits.model_copy(update={name: limit.model_copy(update={"value": value})})
            if judged(checks[check], instead, seen).reason == "check-broken":
                broken.add((check, name, value))
    assert broken == set()

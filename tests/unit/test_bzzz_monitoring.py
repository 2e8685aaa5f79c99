"""The rules of BZZZ's health scores, health checks, errors and notifications at their boundaries."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.alerting import criteria as alerting
from checks.bzzz.monitoring import criteria as monitoring
from systems.bzzz.alerting.models import Failures
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.monitoring.models import Errors, HealthChecks, HealthScores, Sample, Samples

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
BELOW = math.nextafter
VALUES = st.lists(st.floats(0, 1) | st.sampled_from((0.5, 0.8, math.nan)), min_size=1, max_size=5)


def samples(*values: float, **more: tuple[str, ...]) -> Samples:
    """A series of each instance h0, h1, …"""
    series = (
        Sample(labels={"job": "bzzz", "instance": f"h{n}"}, value=v, at=NOW) for n, v in enumerate(values)
    )
    return Samples(query="q", at=NOW, series=tuple(series), **more)


def scores(*values: float, wanted: int | None = None) -> HealthScores:
    """The scores of as many agents; each has one component of the same score."""
    wanted = len(values) if wanted is None else wanted
    missing = () if wanted == len(values) else (f"of {len(values)} agents now, {wanted} expected",)
    return HealthScores(
        system=samples(*values), components=samples(*values), wanted=wanted, missing=missing, componentless=""
    )


@pytest.mark.parametrize(
    ("values", "critical", "low"),
    [
        ((1.0, 1.0), "not-critical", "health-good"),
        ((0.8, 1.0), "not-critical", "health-good"),
        ((BELOW(0.8, 0), 1.0), "not-critical", "health-low"),
        ((0.5, 1.0), "not-critical", "health-low"),
        ((BELOW(0.5, 0), 1.0), "health-critical", "critical-judged"),
        ((0.0, 0.6), "health-critical", "critical-judged"),
        ((math.nan, 1.0), "health-critical", "critical-judged"),
    ],
)
def test_a_score_at_its_boundaries(values: tuple[float, ...], critical: str, low: str) -> None:
    """The marks themselves are good enough; where one agent is critical the milder rule does not fire."""
    seen = scores(*values)
    found = monitoring.not_critical(seen, LIMITS), monitoring.not_degraded(seen, LIMITS)
    assert tuple(f.reason for f in found) == (critical, low)
    assert tuple(f.holds for f in found) == (critical == "not-critical", low != "health-low")


@pytest.mark.parametrize(
    ("values", "more", "critical", "low"),
    [
        ((1.0,), {"missing": ("one",)}, "part-missing", "part-missing"),
        ((0.6,), {"missing": ("one",)}, "part-missing", "health-low"),
        ((0.1,), {"missing": ("one",)}, "health-critical", "critical-judged"),
        ((1.0,), {"components": samples(), "componentless": "empty"}, "no-components", "no-components"),
        ((0.6,), {"components": samples(), "componentless": "empty"}, "no-components", "health-low"),
        ((0.1,), {"components": samples(), "componentless": "empty"}, "health-critical", "critical-judged"),
        ((), {"wanted": 0}, "part-missing", "part-missing"),
    ],
)
def test_a_score_that_is_missing_is_no_good_one(
    values: tuple[float, ...], more: dict[str, Any], critical: str, low: str
) -> None:
    """What is known to be low fails; else nothing is said of all where one has none, or no component has one."""
    seen = scores(*values).model_copy(update=more)
    found = monitoring.not_critical(seen, LIMITS), monitoring.not_degraded(seen, LIMITS)
    assert tuple(f.reason for f in found) == (critical, low)
    known = {"health-critical": False, "health-low": False, "critical-judged": True}
    assert tuple(f.holds for f in found) == (known.get(critical), known.get(low))


@given(VALUES)
def test_one_of_the_two_rules_fires_and_never_both(values: list[float]) -> None:
    """Any agent below a mark, or without a number, makes exactly one of the two rules fire."""
    seen = scores(*values)
    worse, milder = monitoring.not_critical(seen, LIMITS), monitoring.not_degraded(seen, LIMITS)
    assert worse.holds is all(value >= 0.5 for value in values)
    assert [worse.holds, milder.holds].count(False) == (0 if all(value >= 0.8 for value in values) else 1)


def test_a_score_names_the_agent_the_component_and_who_lacks() -> None:
    """The lowest comes first, who should tell and does not is said, and so is what was left out."""
    seen = scores(1.0, 0.2, wanted=3)
    stale = seen.system.model_copy(update={"stale": ("h7: down",), "warnings": ("partial",)})
    found = monitoring.not_critical(seen.model_copy(update={"system": stale}), LIMITS)
    assert found.observed.startswith("h1 0.2, h0 1 at 12:00:00Z (2 of 3 agents)")
    assert found.details == (
        "Prometheus warns: partial",
        "stale, left out: h7: down",
        "of 2 agents now, 3 expected",
        "h1: 0.2",
        "h0: 1",
    )
    assert found.limits == (LIMITS.health_critical.named("health_critical"),)


def test_the_finding_is_as_long_with_a_thousand_components() -> None:
    """The worst twenty components are told, and how many more there are."""
    seen = scores(0.1).model_copy(update={"components": samples(*[0.5] * 999, 0.25)})
    found = monitoring.not_critical(seen, LIMITS)
    assert found.details[0] == "h999: 0.25"
    assert found.details[-1] == "and 980 more components"
    assert len(found.details) == 21


@pytest.mark.parametrize(
    ("passed", "failed", "holds"),
    [
        ((99.0,), (1.0,), True),
        ((98.9,), (1.1,), False),
        ((33.0, 66.0), (0.0, 1.0), True),
        ((100.0, 0.0), (0.0, 100.0), False),
        ((0.0,), (0.001,), False),
        ((0.001,), (0.0,), True),
    ],
)
def test_compliance_is_that_of_all_checks_together(
    passed: tuple[float, ...], failed: tuple[float, ...], *, holds: bool
) -> None:
    """Passed over passed and failed, of all agents together; the objective itself is met, and no number never is."""
    seen = HealthChecks(passed=samples(*passed), failed=samples(*failed), window_s=300, wanted=0, missing=())
    found = monitoring.health_checks_pass(seen, LIMITS)
    assert (found.holds, found.reason) == (holds, "sli-met" if holds else "sli-missed")


@pytest.mark.parametrize(
    ("passed", "failed", "missing", "reason"),
    [
        ((1.0,), (0.0,), ("one",), "part-missing"),
        ((1.0,), (1.0,), ("one",), "sli-missed"),
        ((1.0,), (), (), "part-missing"),
        ((), (1.0,), (), "sli-missed"),
        ((0.0,), (0.0,), (), "no-checks"),
        ((0.0,), (0.0,), ("one",), "no-checks"),
        ((), (), (), "no-checks"),
        ((math.nan,), (0.0,), (), "no-checks"),
    ],
)
def test_compliance_of_a_part_is_not_that_of_all(
    passed: tuple[float, ...], failed: tuple[float, ...], missing: tuple[str, ...], reason: str
) -> None:
    """Nothing over nothing, and a share of some agents only, say nothing of all; too many failures do."""
    seen = HealthChecks(
        passed=samples(*passed), failed=samples(*failed), window_s=300, wanted=0, missing=missing
    )
    found = monitoring.health_checks_pass(seen, LIMITS)
    assert (found.holds, found.reason) == (False if reason == "sli-missed" else None, reason)


def test_compliance_of_two_agents_is_not_that_of_three() -> None:
    """Who has neither passed nor failed a check is missed, though nobody names it."""
    seen = HealthChecks(passed=samples(1.0, 1.0), failed=samples(0.0), window_s=300, wanted=3, missing=())
    found = monitoring.health_checks_pass(seen, LIMITS)
    assert (found.holds, found.reason) == (None, "part-missing")


def rated(*rates: float, missing: tuple[str, ...] = (), wanted: int = 0) -> Errors:
    """Errors per second of so many series; two agents are scraped."""
    return Errors(rates=samples(*rates), window_s=300, scraped=("h0", "h1"), wanted=wanted, missing=missing)


def test_errors_of_two_agents_are_not_those_of_three() -> None:
    """Who is not scraped is missed, though nobody names it."""
    found = monitoring.errors_are_few(rated(0.0, wanted=3), LIMITS)
    assert (found.holds, found.reason) == (None, "part-missing")
    assert monitoring.errors_are_few(rated(0.0, wanted=2), LIMITS).holds


@pytest.mark.parametrize(
    ("stale", "reason"),
    [
        ("h1 component=dht: not among the targets", "part-missing"),
        ("h1: not among the targets", "part-missing"),
        ("h10 component=dht: not among the targets", "errors-few"),
    ],
    ids=["a component", "an agent", "who is gone"],
)
def test_errors_of_a_scraped_agent_are_not_left_out(stale: str, reason: str) -> None:
    """Series that were left out though their agent is scraped may be the errors; those of an agent that is gone are not."""
    seen = rated(0.0, wanted=2)
    less = seen.model_copy(update={"rates": seen.rates.model_copy(update={"stale": (stale,)})})
    assert monitoring.errors_are_few(less, LIMITS).reason == reason


@pytest.mark.parametrize(
    ("rates", "missing", "reason"),
    [((0.1,), ("one",), "part-missing"), ((0.2,), ("one",), "errors-many"), ((), (), "part-missing")],
)
def test_errors_of_a_part_are_not_those_of_all(
    rates: tuple[float, ...], missing: tuple[str, ...], reason: str
) -> None:
    """Few errors of some agents say nothing of the others'; many are many."""
    found = monitoring.errors_are_few(rated(*rates, missing=missing), LIMITS)
    assert (found.holds, found.reason) == (False if reason == "errors-many" else None, reason)


@pytest.mark.parametrize(
    ("rates", "holds"),
    [
        ((0.0,), True),
        ((0.1,), True),
        ((BELOW(0.1, 1),), False),
        ((0.06, 0.06), False),
        ((math.nan,), False),
        ((math.inf, 0.0), False),
    ],
)
def test_errors_are_counted_together(rates: tuple[float, ...], *, holds: bool) -> None:
    """The limit is one for all agents together, and is itself within it."""
    found = monitoring.errors_are_few(rated(*rates), LIMITS)
    assert (found.holds, found.reason) == (holds, "errors-few" if holds else "errors-many")


def test_who_makes_most_errors_comes_first() -> None:
    """Who counts none is left out, the others are told highest first, and more than twenty are counted."""
    found = monitoring.errors_are_few(rated(0.0, 1.0, 2.0), LIMITS)
    assert found.details == ("h2: 2.000 errors per second", "h1: 1.000 errors per second")
    many = monitoring.errors_are_few(rated(*[1.0] * 50), LIMITS)
    assert (len(many.details), many.details[-1]) == (21, "and 30 more")


@pytest.mark.parametrize(
    ("failed", "holds"),
    [
        ({}, None),
        ({"email": 0.0}, None),
        ({"webhook": 0.0}, True),
        ({"webhook": 0.0, "email": BELOW(0, 1)}, False),
        ({"webhook": math.nan}, False),
        ({"webhook": math.inf}, False),
    ],
)
def test_no_notification_may_fail(failed: dict[str, float], *, holds: bool | None) -> None:
    """The least failure of any integration fails it, and names that one only; where none is counted nobody knows."""
    seen = Failures(failed=failed, sent={"webhook": 4.0}, window_s=3600, warnings=("partial",))
    found = alerting.notifications_leave(seen, LIMITS)
    reasons = {True: "notifications-leave", False: "notifications-failed", None: "not-counted"}
    assert (found.holds, found.reason) == (holds, reasons[holds])
    assert found.observed.startswith("flat;" if holds is not False else f"failed: {[*failed][-1]} +")
    assert found.details == ("Prometheus warns: partial",)

"""Who sweeps, the lock, the budget, and the trend of hygiene gaps, at their boundaries."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from systems.statehub.activity.models import ActivityRun, Runs
from systems.statehub.kubernetes.bridge_route import observed_allowance
from systems.statehub.limits import StateHubLimits
from systems.statehub.sources.models import Source, Sources
from systems.statehub.sweeps.models import Gaps, Repos, SweepEvent, SweepResult, Sweeps
from tests.unit.statehub_seen import result

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=15)
LIMITS = StateHubLimits()
INSTANTS = [NOW - STEP * (8 - n) for n in range(8)]


def event(name: str, at: datetime, **fields: Any) -> SweepEvent:
    """A healthy event, but for `fields`."""
    healthy: dict[str, Any] = {"source": "activity-core", "lock_skipped": False, "exit_code": 0}
    return SweepEvent(id=name, at=at, result=result(**(healthy | fields)))


def sweeps(*events: SweepEvent) -> Sweeps:
    """These events, newest first."""
    ordered = tuple(sorted(events, key=lambda e: e.at, reverse=True))
    start = NOW - timedelta(days=1)
    return Sweeps(
        events=ordered,
        count=len(ordered),
        looked=NOW,
        covers=start,
        repeated=0,
        source="activity-core",
        manual=("manual",),
    )


def runs(*results: SweepResult | None) -> Runs:
    """A run with this result for each of the eight instants."""
    rows = [
        ActivityRun(run_id=str(n), scheduled_for=i, fired_at=i, result=r)
        for n, (i, r) in enumerate(zip(INSTANTS, results, strict=False))
    ]
    return Runs(
        runs=tuple(rows),
        count=len(rows),
        day=NOW - timedelta(days=1),
        since=INSTANTS[0],
        since_why="24 h ago",
        as_of=NOW,
        ahead=timedelta(0),
        standby=False,
        manual=("manual",),
    )


def skip(*, skipped: bool) -> SweepResult:
    """What a run says that the lock skipped, or not."""
    return result(lock_skipped=skipped)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=8, max_size=8))
def test_the_lock_is_held_where_two_neighbours_were_skipped(told: list[tuple[bool, bool]]) -> None:
    """Whether an event or a run tells a skip, any two neighbours make it FAIL, and nothing else does."""
    by_events = [event(f"e{n}", INSTANTS[n], lock_skipped=s) for n, (s, _) in enumerate(told)]
    finding = sweep_criteria.lock_is_free(
        runs(*(skip(skipped=s) for _, s in told)), sweeps(*by_events), LIMITS
    )
    skipped = [e or r for e, r in told]
    assert finding.holds is not any(a and b for a, b in itertools.pairwise(skipped))


def test_a_skip_by_hand_does_not_count() -> None:
    """A person who finds the lock taken twice is no trouble of the schedule."""
    by_hand = [event(f"e{n}", INSTANTS[n], lock_skipped=True, source="manual") for n in (2, 3)]
    worked = event("e5", INSTANTS[5])
    assert sweep_criteria.lock_is_free(runs(), sweeps(*by_hand, worked), LIMITS).holds


def test_who_may_hold_the_lock_is_named() -> None:
    """The finding names the last sweep that ended before the row of skips."""
    told = [event("before", INSTANTS[1]), *(event(f"e{n}", INSTANTS[n], lock_skipped=True) for n in (2, 3))]
    finding = sweep_criteria.lock_is_free(runs(), sweeps(*told), LIMITS)
    assert "last sweep that ended before them: before" in finding.details[0]


@pytest.mark.parametrize(
    ("left_out", "holds"),
    [
        ([("a", "b"), ("a",), ("a",), ("a",)], False),
        ([("a",), ("b",), ("a",), ("a",)], True),
        ([(), ("a",), ("a",), ("a",)], True),
        ([(), (), (), ()], True),
        ([("a",), ("a",), ("a",), ("a",), ("b",)], False),
    ],
)
def test_a_repository_starves_when_all_of_the_newest_leave_it_out(
    left_out: list[tuple[str, ...]], *, holds: bool
) -> None:
    """One turn in four is enough; the name is told where there was none."""
    told = [
        event(f"e{n}", NOW - STEP * n, skipped_budget=Repos(count=len(names), names=names))
        for n, names in enumerate(left_out)
    ]
    finding = sweep_criteria.nobody_starves(sweeps(*told), LIMITS)
    assert finding.holds is holds
    assert holds or finding.observed.startswith("a: ")


def test_sources_are_judged_from_their_beginning() -> None:
    """A stranger since the beginning fails the one check, one before it the milder one only."""
    timer = Source(name="local-timer", count=2, newest=NOW, newest_id="t")
    core = Source(name="activity-core", count=90, newest=NOW, newest_id="c")
    for judged, earlier, now, before in (
        ((core,), (core,), True, True),
        ((core, timer), (core,), False, True),
        ((core,), (timer,), True, False),
    ):
        seen = Sources(
            count=sum(s.count for s in (*judged, *earlier)),
            day=NOW - STEP * 96,
            covers=NOW - STEP * 97,
            ahead=timedelta(0),
            since=NOW,
            since_why="24 h ago",
            allowed=("activity-core", "manual"),
            judged=judged,
            earlier=earlier,
        )
        assert sweep_criteria.known_sources(seen, LIMITS).holds is now
        assert sweep_criteria.no_earlier_strangers(seen, LIMITS).holds is before


def gaps(at: datetime, *found: str) -> SweepEvent:
    """A sweep that has found these."""
    return event(
        f"e{at}", at, assessment_failures=len(found), gaps=Gaps(count=len(found), names=tuple(sorted(found)))
    )


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (("a C-01",), ("a C-01",), "not-rising"),
        (("a C-01", "b C-02"), ("a C-01",), "not-rising"),
        (("a C-01",), ("a C-01", "b C-02"), "rising"),
        (("a C-01",), ("b C-02",), "new"),
        ((), (), "not-rising"),
        ((), ("a C-01",), "rising"),
    ],
)
def test_gaps_that_rise_or_are_new_are_told(
    before: tuple[str, ...], now: tuple[str, ...], reason: str
) -> None:
    """More of them, or others in their place, is told; fewer is none."""
    finding = sweep_criteria.assessment_trend(sweeps(gaps(NOW - STEP, *before), gaps(NOW, *now)), LIMITS)
    assert finding.reason == reason
    for what, named in (("new", set(now) - set(before)), ("fixed", set(before) - set(now))):
        line = f"{what}: {', '.join(sorted(named))}"
        assert (line in finding.details) is bool(named)


def test_trends_are_told_per_repository_and_code() -> None:
    """Counts at both ends of the window, for each repository and each code."""
    ends = (gaps(NOW - STEP, "a C-01", "b C-01"), gaps(NOW, "b C-01", "b C-07"))
    details = sweep_criteria.assessment_trend(sweeps(*ends), LIMITS).details
    assert "per repository: b 1 → 2, a 1 → 0" in details
    assert "per code: C-01 2 → 1, C-07 0 → 1" in details


def test_counts_without_names_are_told_as_such() -> None:
    """Where a sweep tells a number only, nothing is called new or fixed."""
    ends = (gaps(NOW - STEP, "a C-01", "b C-01"), event("n", NOW, assessment_failures=2))
    finding = sweep_criteria.assessment_trend(sweeps(*ends), LIMITS)
    assert finding.holds
    assert finding.details[-1] == "not every sweep names its repositories and codes"


def test_the_longest_sweep_shows_what_the_bridge_lets_through() -> None:
    """Only scheduled sweeps that ended well and tell how long they took show anything."""
    told = (
        event("a", NOW, took_s=200.0),
        event("b", NOW, took_s=360.5),
        event("c", NOW, took_s=900.0, automation_error=True),
        event("d", NOW, took_s=900.0, source="manual"),
        event("e", NOW),
    )
    used = observed_allowance(told, "activity-core")
    assert (used.configured_s, used.longest_s) == (None, 360.5)
    assert observed_allowance(told[4:], "activity-core").longest_s is None

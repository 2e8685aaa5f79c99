"""The rules at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.statehub.activity.criteria import runs as run_criteria
from checks.statehub.activity.criteria import server as server_criteria
from checks.statehub.api import criteria as api_criteria
from checks.statehub.sweeps.criteria import events as events_criteria
from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from opsverify.model.observation import Observation
from systems.statehub.activity.models import ActivityRun, Promised, Runs
from systems.statehub.api.models import NewestEvents
from systems.statehub.section import StateHubLimits, StateHubSection
from systems.statehub.sweeps.models import Repos, SweepEvent, Sweeps
from tests.unit.statehub_seen import definition, result

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=15)
LIMITS = StateHubLimits()
PROMISED = Promised(id="7c4e", name="Sweep", cron="*/15 * * * *", timezone="UTC", misfire="skip")


def event(number: int, at: datetime, **fields: Any) -> SweepEvent:
    """A healthy event, but for `fields`."""
    healthy: dict[str, Any] = {
        "source": "activity-core",
        "lock_skipped": False,
        "exit_code": 0,
        "assessment_failures": 1,
        "skipped_clean": Repos(count=1, names=("a",)),
    }
    return SweepEvent(id=f"e{number}", at=at, result=result(**(healthy | fields)))


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


@pytest.mark.parametrize(
    ("age", "milder", "worse"),
    [(0, True, True), (1320, True, True), (1321, False, True), (3120, False, True), (3121, True, False)],
)
def test_freshness_at_its_boundaries(age: int, milder: bool, worse: bool) -> None:  # noqa: FBT001
    """Up to interval + sweep + slack fresh; one and two missed are P1; three are P0, and the milder one is silent."""
    seen = sweeps(event(1, NOW - timedelta(seconds=age)))
    assert events_criteria.fresh(seen, NOW, LIMITS, worse=False).holds is milder
    assert events_criteria.fresh(seen, NOW, LIMITS, worse=True).holds is worse


def test_an_event_of_the_future_is_not_fresh() -> None:
    """By the clock of the look: up to the clocks' difference it may be ahead, beyond that it tells nothing."""
    for ahead_s, reason in ((5, "fresh"), (6, "clock-ahead")):
        seen = sweeps(event(1, NOW + timedelta(seconds=ahead_s)))
        for worse in (True, False):
            assert events_criteria.fresh(seen, NOW, LIMITS, worse=worse).reason == reason


def test_events_by_hand_are_not_fresh_evidence() -> None:
    """A sweep by hand says nothing of the schedule: without a scheduled event the worse check fails."""
    seen = sweeps(event(1, NOW, source="manual"))
    assert events_criteria.fresh(seen, NOW, LIMITS, worse=True).reason == "no-scheduled-event"
    assert events_criteria.fresh(seen, NOW, LIMITS, worse=False).holds
    assert events_criteria.healthy_evidence(seen, LIMITS).reason == "no-scheduled-event"


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_automation_errors_are_split_by_their_streak(failed: list[bool]) -> None:
    """The newest streak decides: none holds both, one and two the milder fails, three and more the worse; never both."""
    seen = sweeps(*(event(n, NOW - STEP * n, automation_error=f) for n, f in enumerate(failed)))
    streak = next((n for n, f in enumerate(failed) if not f), len(failed))
    assert events_criteria.no_automation_error(seen, LIMITS, worse=False).holds is not (0 < streak < 3)
    assert events_criteria.no_automation_error(seen, LIMITS, worse=True).holds is not (streak >= 3)


@pytest.mark.parametrize(
    ("skips", "reason"),
    [
        ((1,), "healthy"),
        ((1, 3), "healthy"),
        ((1, 2), "lock-skipped"),
        ((3, 4), "lock-skipped"),
        ((5, 6), "healthy"),
        ((4, 5), "healthy"),
    ],
)
def test_two_lock_skips_in_a_row(skips: tuple[int, ...], reason: str) -> None:
    """One skip, or two apart, is normal; two in a row among the newest five are not."""
    seen = sweeps(*(event(n, NOW - STEP * n, lock_skipped=n in skips) for n in range(8)))
    assert events_criteria.healthy_evidence(seen, LIMITS).reason == reason


def test_assessment_failures_rise_only_when_there_are_more() -> None:
    """As many as at the beginning is not rising; not reported is told."""
    counts = (2, 5, 2)
    seen = [event(n, NOW - STEP * n, assessment_failures=c) for n, c in enumerate(counts)]
    assert sweep_criteria.assessment_trend(sweeps(*seen), LIMITS).holds
    assert sweep_criteria.assessment_trend(sweeps(*seen[1:]), LIMITS).reason == "rising"
    untold = sweep_criteria.assessment_trend(sweeps(event(1, NOW, assessment_failures=None)), LIMITS)
    assert untold.reason == "not-reported"


def newest(name: str, *events: tuple[str, datetime]) -> Observation[NewestEvents]:
    """What one way showed, looked at now for 0.1 s."""
    took = timedelta(seconds=0.1)
    return Observation(name, "statehub", (name,), NewestEvents(events=events, count=len(events)), NOW, took)


def test_a_new_event_between_two_looks_is_no_difference() -> None:
    """An event that one side has more is excused when it was recorded during the looks, never when it is older."""
    old = ("e1", NOW - STEP)
    fresh, stale = ("e2", NOW - timedelta(seconds=1)), ("e2", NOW - timedelta(minutes=5))
    bridge = newest("bridge", old)
    assert api_criteria.same_newest(newest("api", old), bridge, LIMITS).reason == "same"
    assert api_criteria.same_newest(newest("api", fresh, old), bridge, LIMITS).reason == "moved-between"
    assert api_criteria.same_newest(newest("api", stale, old), bridge, LIMITS).reason == "differs"
    assert api_criteria.same_newest(newest("api", ("x", NOW)), bridge, LIMITS).reason == "differs"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "as-promised"),
        ({"enabled": False}, "disabled"),
        ({"cron": "*/20 * * * *"}, "trigger"),
        ({"timezone": "Europe/Berlin"}, "timezone"),
        ({"misfire": "run"}, "misfire"),
        ({"id": "other"}, "id"),
        ({"name": "Other"}, "name"),
        ({"found": 2}, "ambiguous"),
        ({"found": 0}, "not-synced"),
    ],
)
def test_the_definition_must_be_as_promised(change: dict[str, Any], reason: str) -> None:
    """Each promised property is judged, and none other."""
    assert server_criteria.promised_definition(definition(PROMISED, **change)).reason == reason


def run(instant: datetime, *, at: datetime | None = None, **fields: Any) -> ActivityRun:
    """A run of this instant."""
    result = event(0, instant, **fields).result
    return ActivityRun(
        run_id=instant.isoformat(), scheduled_for=at or instant, fired_at=at or instant, result=result
    )


def runs(*rows: ActivityRun, hours: int = 2) -> Runs:
    """These runs, judged over the last hours."""
    since = NOW - timedelta(hours=hours)
    return Runs(
        runs=rows,
        count=len(rows),
        day=NOW - timedelta(days=1),
        since=since,
        since_why="24 h ago",
        as_of=NOW,
        ahead=timedelta(0),
        standby=False,
        manual=("manual",),
    )


INSTANTS = [NOW - timedelta(hours=2) + STEP * n for n in range(8)]


def trail(kept: set[int], *more: SweepEvent) -> tuple[Runs, Sweeps]:
    """Runs and events of some of the eight instants."""
    there = [INSTANTS[n] for n in sorted(kept)]
    events = [event(n, i + timedelta(seconds=20)) for n, i in enumerate(there)]
    return runs(*map(run, there)), sweeps(*events, *more)


@given(st.sets(st.integers(0, 7)))
def test_any_missing_run_is_found(kept: set[int]) -> None:
    """Exactly the instants without a run are told, whichever they are."""
    finding = run_criteria.one_run_per_instant(*trail(kept), LIMITS)
    told = {line for line in finding.details if line.endswith("no run")}
    assert told == {f"{INSTANTS[n]:%Y-%m-%d %H:%M:%S}Z: no run" for n in set(range(8)) - kept}
    assert finding.holds is (len(kept) == 8)


@pytest.mark.parametrize(
    ("gone", "took", "holds"),
    [({3}, 60.0, True), ({3}, 5.0, False), ({3}, None, True), ({3, 4}, 60.0, False)],
)
def test_a_misfire_is_allowed_once_while_a_sweep_is_in_flight(
    gone: set[int], took: float | None, *, holds: bool
) -> None:
    """One gap with a sweep at work at its instant is allowed; one without, or two in a row, are not."""
    by_hand = [event(90 + n, INSTANTS[n] + timedelta(seconds=30), source="manual", took_s=took) for n in gone]
    finding = run_criteria.one_run_per_instant(*trail(set(range(8)) - gone, *by_hand), LIMITS)
    assert finding.holds is holds


@pytest.mark.parametrize(
    ("late", "reason"),
    [(0, "one-each"), (60, "one-each"), (61, "fired-late"), (-5, "one-each"), (-6, "fired-late")],
)
def test_firing_at_its_boundaries(late: int, reason: str) -> None:
    """Up to the limit after its instant, and a clock's difference before it."""
    rows, seen = trail(set(range(8)))
    moved = rows.runs[2].model_copy(update={"fired_at": INSTANTS[2] + timedelta(seconds=late)})
    changed = rows.model_copy(update={"runs": (*rows.runs[:2], moved, *rows.runs[3:])})
    assert run_criteria.one_run_per_instant(changed, seen, LIMITS).reason == reason


def test_an_automation_error_without_an_event_is_told_as_such() -> None:
    """A run whose sweep could not reach State Hub has no event; that is an automation error and no lost event."""
    rows, seen = trail(set(range(7)))
    broken = run(INSTANTS[7], automation_error=True, exit_code=1)
    assert (
        run_criteria.one_run_per_instant(runs(*rows.runs, broken), seen, LIMITS).reason == "automation-error"
    )
    whole = run_criteria.one_run_per_instant(runs(*rows.runs, run(INSTANTS[7])), seen, LIMITS)
    assert whole.reason == "no-event"


@pytest.mark.parametrize(
    ("change", "events", "reason"),
    [
        ({"fired_at": None}, 1, "never-fired"),
        ({"result": None}, 1, "no-result"),
        ({}, 2, "event-doubled"),
        ({"result": event(0, NOW, assessment_failures=7).result}, 1, "differs"),
        ({}, 1, "one-each"),
    ],
)
def test_a_run_and_its_event_are_compared(change: dict[str, Any], events: int, reason: str) -> None:
    """A run that never fired, has no result, two events, or says another thing than its event is each told apart."""
    rows, seen = trail(set(range(8)))
    changed = runs(*rows.runs[:2], rows.runs[2].model_copy(update=change), *rows.runs[3:])
    again = [event(50 + n, INSTANTS[2] + timedelta(seconds=30)) for n in range(events - 1)]
    finding = run_criteria.one_run_per_instant(changed, sweeps(*seen.events, *again), LIMITS)
    assert finding.reason == reason


def test_runs_by_hand_and_what_is_not_told_do_not_count() -> None:
    """A run by hand is off the grid by nature; a field that only one side tells is no difference."""
    rows, seen = trail(set(range(8)))
    by_hand = run(INSTANTS[2], at=INSTANTS[2] + timedelta(seconds=77), source="manual")
    untold = rows.runs[3].model_copy(update={"result": result(source="", exit_code=None)})
    changed = runs(*rows.runs[:3], untold, *rows.runs[4:], by_hand)
    assert run_criteria.one_run_per_instant(changed, seen, LIMITS).holds


def test_a_sweep_of_somebody_else_in_the_same_interval_is_no_second_event() -> None:
    """A run is compared with the event of its own source; who else swept is another check's."""
    rows, seen = trail(set(range(8)))
    by_somebody = event(77, INSTANTS[2] + timedelta(seconds=40), source="custodian", assessment_failures=9)
    assert (
        run_criteria.one_run_per_instant(rows, sweeps(*seen.events, by_somebody), LIMITS).reason == "one-each"
    )


def test_a_run_of_the_oldest_instant_that_the_events_cover_is_compared() -> None:
    """From the instant on to which events reach back, each run has one; what is older is left open."""
    rows, seen = trail(set(range(8)))
    without = [e for e in seen.events if not e.at < INSTANTS[1]]
    for covers, reason in ((INSTANTS[0], "no-event"), (INSTANTS[0] + timedelta(seconds=1), "part-missing")):
        less = sweeps(*without).model_copy(update={"covers": covers})
        assert run_criteria.one_run_per_instant(rows, less, LIMITS).reason == reason


@pytest.mark.parametrize(
    ("ended_s", "took", "holds"),
    [(420, 420.0, True), (421, 421.0, False), (30, 30.0, True), (30, 29.9, False), (0, 60.0, False)],
)
def test_a_sweep_is_in_flight_from_its_begin_to_its_end(ended_s: int, took: float, *, holds: bool) -> None:
    """It began at the instant or before, and ended after it, within a sweep's time and slack."""
    by_hand = event(
        90, INSTANTS[3] + timedelta(seconds=ended_s), source="manual", took_s=took, lock_skipped=False
    )
    finding = run_criteria.one_run_per_instant(*trail(set(range(8)) - {3}, by_hand), LIMITS)
    assert finding.holds is holds


def test_only_a_run_that_fired_shows_that_sweeps_are_back() -> None:
    """A row that was written and never fired is none."""
    rows = runs(*map(run, INSTANTS))
    assert run_criteria.resumed(rows, LIMITS).reason == "resumed"
    asleep = rows.runs[-1].model_copy(update={"fired_at": None})
    assert run_criteria.resumed(runs(*rows.runs[:-1], asleep), LIMITS).reason == "not-resumed"


def test_gaps_before_the_stretch_are_a_line_of_their_own() -> None:
    """Older gaps are told by the milder check, and only by it."""
    rows, seen = trail(set(range(8)))
    assert run_criteria.one_run_per_instant(rows, seen, LIMITS).holds
    finding = run_criteria.no_older_gaps(rows, LIMITS)
    assert (finding.reason, finding.observed) == ("older-gaps", "88 of 88 instants have no run")


def test_the_interval_is_the_schedules() -> None:
    """A target whose limit and cron text disagree is refused, naming both."""
    with pytest.raises(ValueError, match=r"limits.interval is 60 s, but schedule.cron '\*/15 \* \* \* \*'"):
        StateHubSection.model_validate({"limits": {"interval": 60}})
    with pytest.raises(ValueError, match="right would be"):
        StateHubSection.model_validate({"schedule": {"cron": "*/7 * * * *"}})
    short = {"schedule": {"cron": "*/4 * * * * *"}, "limits": {"interval": 4}}
    assert StateHubSection.model_validate(short).limits.interval.value == 4

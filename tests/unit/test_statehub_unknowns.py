"""What State Hub's criteria cannot tell: clocks that are wrong, parts that are missing, too few, too early; and their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from checks.statehub.activity.criteria import runs as run_criteria
from checks.statehub.api import criteria as api_criteria
from checks.statehub.formatting import by_reason
from checks.statehub.sweeps.criteria import events as events_criteria
from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from opsverify.model.observation import Observation
from systems.statehub.activity.models import ActivityRun, Runs
from systems.statehub.api.models import NewestEvents
from systems.statehub.limits import StateHubLimits
from systems.statehub.schedule.grid import at_or_after
from systems.statehub.sources.models import Source, Sources
from systems.statehub.sweeps.models import Repos, SweepEvent, Sweeps
from tests.unit.statehub_seen import result

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.model.verdict import Finding

NOW = datetime(2026, 6, 21, 12, 8, tzinfo=UTC)
STEP, DAY = timedelta(minutes=15), timedelta(days=1)
LAST = NOW.replace(minute=0)  # the newest instant at which a run has had its time
LIMITS = StateHubLimits()
EDGES = [(4.9, False), (5, False), (5.1, True)]


def event(number: int, age: timedelta, **fields: Any) -> SweepEvent:
    """A healthy event of that age, but for `fields`."""
    healthy: dict[str, Any] = {
        "source": "activity-core",
        "lock_skipped": False,
        "exit_code": 0,
        "assessment_failures": 1,
        "skipped_clean": Repos(count=1, names=("a",)),
    }
    return SweepEvent(id=f"e{number}", at=NOW - age, result=result(**(healthy | fields)))


def sweeps(*events: SweepEvent, covers: timedelta = DAY + STEP) -> Sweeps:
    """These events, all that there are since so long."""
    ordered = tuple(sorted(events, key=lambda e: e.at, reverse=True))
    return Sweeps(
        events=ordered,
        count=len(ordered),
        looked=NOW,
        covers=NOW - covers,
        repeated=0,
        source="activity-core",
        manual=("manual",),
    )


def several(count: int = 9, first: timedelta = timedelta(minutes=7), **fields: Any) -> list[SweepEvent]:
    """As many scheduled events, the newest as old as `first`."""
    return [event(n, first + STEP * n, **fields) for n in range(count)]


def runs(count: int = 4, *, since: timedelta = STEP * 4, **fields: Any) -> Runs:
    """Runs of the newest instants, judged since so long before the last of them."""
    done = event(0, DAY).result
    rows = [
        ActivityRun(run_id=f"r{n}", scheduled_for=LAST - STEP * n, fired_at=LAST - STEP * n, result=done)
        for n in range(count)
    ]
    whole: dict[str, Any] = {
        "runs": tuple(reversed(rows)),
        "day": NOW - DAY,
        "since": LAST - since + STEP,
        "since_why": "the definition's last change",
        "as_of": NOW,
        "ahead": timedelta(0),
        "standby": False,
        "manual": ("manual",),
    }
    return Runs(**({**whole, "count": len((whole | fields)["runs"])} | fields))


def sources(**fields: Any) -> Sources:
    """The cluster alone has swept, for two hours of which half are judged."""
    core = (Source(name="activity-core", count=4, newest=NOW, newest_id="e"),)
    whole: dict[str, Any] = {
        "day": NOW - DAY,
        "covers": NOW - DAY - STEP,
        "ahead": timedelta(minutes=-7),
        "since": NOW - timedelta(hours=1),
        "since_why": "the definition's last change",
        "allowed": ("activity-core", "manual"),
        "judged": core,
        "earlier": core,
    }
    whole |= fields
    return Sources(
        **({**whole, "count": sum(s.count for s in (*whole["judged"], *whole["earlier"]))} | fields)
    )


def verdict(finding: Finding) -> tuple[str, bool | None]:
    """Reason, and whether it holds."""
    return finding.reason, finding.holds


OF_SWEEPS: dict[str, Callable[[Sweeps], Finding]] = {
    "S-PRG-1": lambda s: events_criteria.fresh(s, NOW, LIMITS, worse=True),
    "S-PRG-1b": lambda s: events_criteria.fresh(s, NOW, LIMITS, worse=False),
    "S-PRG-2": lambda s: events_criteria.healthy_evidence(s, LIMITS),
    "S-PRG-3": lambda s: events_criteria.no_automation_error(s, LIMITS, worse=True),
    "S-PRG-3b": lambda s: events_criteria.no_automation_error(s, LIMITS, worse=False),
    "S-PRG-4": lambda s: sweep_criteria.assessment_trend(s, LIMITS),
    "S-LCK-1": lambda s: sweep_criteria.lock_is_free(runs(), s, LIMITS),
    "S-LCK-1b": lambda s: sweep_criteria.nobody_starves(s, LIMITS),
}


@pytest.mark.parametrize("judge", OF_SWEEPS.values(), ids=OF_SWEEPS)
@pytest.mark.parametrize(("ahead", "wrong"), EDGES)
def test_an_event_of_the_future_leaves_it_open(
    judge: Callable[[Sweeps], Finding], ahead: float, *, wrong: bool
) -> None:
    """Up to the difference of two clocks the newest event may be ahead; beyond it nobody knows how old it is."""
    finding = judge(sweeps(*several(first=timedelta(seconds=-ahead))))
    assert finding.holds is (None if wrong else True)
    assert (finding.reason == "clock-ahead") is wrong
    assert ("in the future" in finding.observed) is wrong


def test_what_is_known_outranks_a_clock() -> None:
    """An event of the future hides no failure of what the events say."""
    future = event(90, timedelta(seconds=-60), source="manual")
    broken = several(automation_error=True, exit_code=1)
    assert verdict(OF_SWEEPS["S-PRG-3"](sweeps(future, *broken))) == ("automation-error", False)
    old = sweeps(future, *several(first=timedelta(hours=2)))
    assert verdict(OF_SWEEPS["S-PRG-1"](old)) == ("missed", False)
    bad = sweeps(future, *several(exit_code=2))
    assert verdict(OF_SWEEPS["S-PRG-2"](bad)) == ("exit-code", False)


NOTHING = sweeps(event(1, timedelta(hours=3), source="manual"))
JUST_LONG = sweeps(event(1, timedelta(minutes=1), source="manual"), covers=timedelta(minutes=57))
SHORT = sweeps(event(1, timedelta(minutes=1), source="manual"), covers=timedelta(minutes=21))
SKIPPED = sweeps(*several(3, lock_skipped=True))


@pytest.mark.parametrize(
    ("check", "seen", "expected"),
    [
        ("S-PRG-1", NOTHING, ("no-scheduled-event", False)),
        ("S-PRG-1", SHORT, ("part-missing", None)),
        ("S-PRG-1b", SHORT, ("part-missing", None)),
        ("S-PRG-1b", NOTHING, ("critical-judged", True)),
        ("S-PRG-1", JUST_LONG, ("no-scheduled-event", False)),
        ("S-PRG-2", NOTHING, ("no-scheduled-event", False)),
        ("S-PRG-2", sweeps(*several(automation_error=True, exit_code=1)), ("healthy", True)),
        ("S-PRG-2", SHORT, ("part-missing", None)),
        ("S-PRG-2", sweeps(*several(skipped_clean=None)), ("accounting-missing", False)),
        ("S-PRG-2", sweeps(*several(processed=Repos(count=1, names=("a",)))), ("processed-clean", False)),
        ("S-PRG-2", sweeps(*several(source="local-timer")), ("wrong-source", False)),
        ("S-PRG-3", NOTHING, ("no-sweep", None)),
        ("S-PRG-3", SKIPPED, ("no-sweep", None)),
        ("S-PRG-3b", NOTHING, ("no-sweep", None)),
        ("S-PRG-3b", sweeps(*several(3, automation_error=True)), ("critical-judged", True)),
        ("S-PRG-4", NOTHING, ("no-sweep", None)),
        ("S-PRG-4", SKIPPED, ("no-sweep", None)),
        ("S-PRG-4", sweeps(*several(1)), ("too-few", None)),
        ("S-PRG-4", sweeps(*several(2, assessment_failures=None)), ("not-reported", False)),
        (
            "S-PRG-4",
            sweeps(event(0, STEP / 2, assessment_failures=None), *several(3)[1:]),
            ("not-counted", None),
        ),
        ("S-LCK-1b", NOTHING, ("too-few", None)),
        ("S-LCK-1b", sweeps(*several(3)), ("too-few", None)),
        ("S-LCK-1b", sweeps(*several(4)), ("all-had-a-turn", True)),
        ("S-LCK-1b", sweeps(*several(4, skipped_budget=Repos(count=2, names=None))), ("names-missing", None)),
        ("S-LCK-1b", sweeps(*several(4, skipped_budget=Repos(count=2, names=("a",)))), ("starved", False)),
    ],
)
def test_an_empty_set_never_passes(check: str, seen: Sweeps, expected: tuple[str, bool | None]) -> None:
    """No sweep, too few, or none that says it: open, or the failure that the runbook calls it."""
    assert verdict(OF_SWEEPS[check](seen)) == expected


def test_events_that_do_not_reach_back_leave_it_open() -> None:
    """At its edge: as soon as one sweep must have come since, no scheduled event is a failure again."""
    for covers, expected in ((1320, ("part-missing", None)), (1321, ("no-scheduled-event", False))):
        seen = sweeps(event(1, timedelta(0), source="manual"), covers=timedelta(seconds=covers))
        assert verdict(OF_SWEEPS["S-PRG-2"](seen)) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (-5.2, ("clock-ahead", None)),
        (-5, ("moved-between", True)),
        (5, ("moved-between", True)),
        (5.1, ("moved-between", True)),
        (5.2, ("differs", False)),
    ],
)
def test_one_event_more_on_one_way(age: float, expected: tuple[str, bool | None]) -> None:
    """One that was recorded during the looks excuses a difference, an older one does not, one of the future is neither."""

    def way(*events: tuple[str, datetime]) -> Observation[NewestEvents]:
        return Observation(
            "n",
            "statehub",
            ("api",),
            NewestEvents(events=events, count=len(events)),
            NOW,
            timedelta(seconds=0.1),
        )

    old, new = ("e1", NOW - STEP), ("e2", NOW - timedelta(seconds=age))
    for both in ((way(new, old), way(old)), (way(old), way(new, old))):
        assert verdict(api_criteria.same_newest(*both, LIMITS)) == expected
    assert verdict(api_criteria.same_newest(way(new), way(new), LIMITS)) == ("same", True)
    assert verdict(api_criteria.same_newest(way(), way(new), LIMITS)) == ("no-event", None)
    assert verdict(api_criteria.same_newest(way(), way(), LIMITS)) == ("no-event", None)


def trail(seen: Runs, events: Sweeps | None = None) -> Finding:
    """S-ACT-1."""
    return run_criteria.one_run_per_instant(seen, events or sweeps(*several()), LIMITS)


def lock(seen: Runs, events: Sweeps | None = None) -> Finding:
    """S-LCK-1."""
    return sweep_criteria.lock_is_free(seen, events or sweeps(*several()), LIMITS)


OF_RUNS: dict[str, Callable[[Runs], Finding]] = {
    "S-ACT-1": trail,
    "S-ACT-1b": lambda r: run_criteria.no_older_gaps(r, LIMITS),
    "S-REC-1b": lambda r: run_criteria.resumed(r, LIMITS),
    "S-LCK-1": lock,
}


@pytest.mark.parametrize("judge", OF_RUNS.values(), ids=OF_RUNS)
@pytest.mark.parametrize(("ahead", "wrong"), [*EDGES, (-5, False), (-5.1, True)])
def test_a_database_with_another_time_leaves_it_open(
    judge: Callable[[Runs], Finding], ahead: float, *, wrong: bool
) -> None:
    """Beyond the difference of two clocks nobody knows which run is late or missing."""
    finding = judge(runs(97, ahead=timedelta(seconds=ahead)))
    assert finding.holds is (None if wrong else True)
    assert (finding.reason == "clock-skew") is wrong


def test_what_no_clock_decides_outranks_it() -> None:
    """Two runs of one instant, and one off the grid, are wrong by any clock; a missing one is not known to be."""
    skewed = runs(ahead=timedelta(seconds=60))
    twice = skewed.model_copy(update={"runs": (*skewed.runs, skewed.runs[-1])})
    assert verdict(trail(twice)) == ("doubled", False)
    gone = skewed.model_copy(update={"runs": skewed.runs[:-1]})
    assert verdict(trail(gone)) == verdict(OF_RUNS["S-REC-1b"](gone)) == ("clock-skew", None)
    assert verdict(trail(gone.model_copy(update={"ahead": timedelta(0)}))) == ("missed", False)
    moved = runs().runs[1].model_copy(update={"scheduled_for": LAST - STEP * 2 + timedelta(seconds=70)})
    odd = skewed.model_copy(update={"runs": (*skewed.runs, moved)})
    assert verdict(trail(odd)) == ("off-grid", False)


def test_an_event_of_the_future_leaves_the_trail_open() -> None:
    """By which event a run is to be judged is not known where State Hub's clock is wrong."""
    for ahead, wrong in EDGES:
        seen = sweeps(event(90, timedelta(seconds=-ahead), source="manual"), *several())
        assert (verdict(trail(runs(), seen)) == ("clock-skew", None)) is wrong


@pytest.mark.parametrize("judge", OF_RUNS.values(), ids=OF_RUNS)
@pytest.mark.parametrize(
    ("as_of", "early"), [(419.9, True), (420, False), (420.1, False)], ids=["before", "at", "after"]
)
def test_nothing_is_judged_before_an_instant_has_had_its_time(
    judge: Callable[[Runs], Finding], as_of: float, *, early: bool
) -> None:
    """A sweep's time and slack after the first instant it is judged, and not before."""
    since = STEP * 2 if judge is OF_RUNS["S-REC-1b"] else STEP  # two instants are wanted there
    finding = judge(runs(97, since=since, as_of=LAST + timedelta(seconds=as_of), standby=True))
    assert verdict(finding)[1] is (None if early else True)
    assert (finding.reason == "too-early") is early
    assert ("watching until" in finding.observed and "a standby" in finding.observed) is early


@pytest.mark.parametrize(
    ("due", "there", "expected"),
    [
        (1, 1, ("too-early", None)),
        (1, 0, ("not-resumed", False)),
        (2, 2, ("resumed", True)),
        (2, 1, ("not-resumed", False)),
        (3, 2, ("resumed", True)),
    ],
)
def test_two_runs_show_that_it_goes_on(due: int, there: int, expected: tuple[str, bool | None]) -> None:
    """The newest two instants have their runs; one is not enough, and one that is missing is."""
    assert verdict(OF_RUNS["S-REC-1b"](runs(there, since=STEP * due))) == expected


def test_older_gaps_are_judged_up_to_what_has_had_its_time() -> None:
    """The last older instant may be without its run still; the day before without any is told at once."""
    judge = OF_RUNS["S-ACT-1b"]
    young = runs(97, since=timedelta(0), as_of=LAST + timedelta(seconds=60))  # the change came after LAST
    fresh = young.model_copy(update={"runs": young.runs[:-1]})
    assert verdict(judge(fresh)) == ("too-early", None)
    assert verdict(judge(fresh.model_copy(update={"runs": young.runs[:-2]}))) == ("older-gaps", False)
    assert verdict(judge(runs(97))) == ("none", True)
    assert verdict(judge(runs(97, since=DAY, day=LAST - DAY + STEP))) == ("whole-day", True)


def test_runs_without_their_events_are_not_compared() -> None:
    """Where the events do not reach back to the first run, all that is known may be well and it is open."""
    cut = sweeps(*several(2), covers=timedelta(minutes=30))
    assert verdict(trail(runs(), cut)) == ("part-missing", None)
    assert verdict(trail(runs(3), cut)) == ("missed", False)
    assert verdict(lock(runs(), cut)) == ("free", True)  # each run says whether the lock skipped it
    silent = tuple(r.model_copy(update={"result": None}) for r in runs().runs)
    assert verdict(lock(runs(runs=silent), cut)) == ("part-missing", None)
    assert verdict(lock(runs(runs=silent), sweeps())) == ("no-sweep", None)


def test_one_skip_by_two_clocks_is_not_two() -> None:
    """Where State Hub's clock is wrong its event of a skip may stand at another instant than its run."""
    skip = runs().runs[0].model_copy(update={"result": event(0, DAY, lock_skipped=True).result})
    rows = (skip, *runs().runs[1:])
    shifted = [event(1, NOW - LAST + STEP * 2, lock_skipped=True), event(2, timedelta(seconds=-60))]
    assert verdict(lock(runs(runs=rows), sweeps(*shifted))) == ("clock-ahead", None)
    assert verdict(lock(runs(runs=rows), sweeps(shifted[0]))) == ("held", False)


FIRST_OVER = at_or_after(NOW - DAY, STEP) + LIMITS.sweep.duration + LIMITS.slack.duration
"""When the day's first sweep has ended at the latest."""


@pytest.mark.parametrize(
    ("fields", "now", "before"),
    [
        ({}, "known", "none"),
        ({"ahead": timedelta(seconds=5)}, "known", "none"),
        ({"ahead": timedelta(seconds=5.1)}, "clock-ahead", "clock-ahead"),
        ({"judged": ()}, "no-sweep", "no-sweep"),
        ({"earlier": ()}, "known", "no-sweep"),
        ({"earlier": (), "since": NOW - DAY}, "known", "whole-day"),
        ({"earlier": (), "since": FIRST_OVER}, "known", "no-sweep"),
        ({"earlier": (), "since": FIRST_OVER - timedelta(seconds=1)}, "known", "whole-day"),
        ({"covers": NOW - timedelta(hours=1)}, "known", "part-missing"),
        ({"covers": NOW - timedelta(minutes=59)}, "part-missing", "part-missing"),
        ({"covers": NOW - DAY, "since": NOW - DAY, "earlier": ()}, "known", "whole-day"),
    ],
)
def test_who_swept_is_open_where_it_was_not_seen(fields: dict[str, Any], now: str, before: str) -> None:
    """No sweep at all, or a part of the stretch that the events do not reach, is no proof that nobody else swept."""
    seen = sources(**fields)
    assert sweep_criteria.known_sources(seen, LIMITS).reason == now
    assert sweep_criteria.no_earlier_strangers(seen, LIMITS).reason == before
    strange = (Source(name="local-timer", count=1, newest=NOW, newest_id="t"),)
    told = seen.model_copy(update={"judged": strange, "earlier": strange})
    assert verdict(sweep_criteria.known_sources(told, LIMITS)) == ("stranger", False)
    assert verdict(sweep_criteria.no_earlier_strangers(told, LIMITS)) == ("earlier-stranger", False)


def test_a_trouble_of_no_known_reason_is_never_left_out() -> None:
    """A reason that no step of the ladder has is an error of the criterion, and not a pass."""
    with pytest.raises(KeyError):
        by_reason([("odd", "words")], ("known",))

"""S-ACT-1 agrees with a brute-force look at each minute: any runs, told in any zone, over changes of daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from checks.statehub.activity.criteria.runs import one_run_per_instant
from systems.statehub.activity.definition import run_of
from systems.statehub.activity.models import Runs
from systems.statehub.schedule.grid import due
from systems.statehub.section import StateHubLimits
from systems.statehub.sweeps.models import Repos, SweepEvent, Sweeps
from tests.unit.statehub_seen import result

STEP, MINUTE = timedelta(minutes=15), timedelta(minutes=1)
# Nights in which clocks change: in Europe, North America, and on Lord Howe, where they change by half an hour.
NIGHTS = [datetime(2026, 3, 28, 18, tzinfo=UTC), datetime(2026, 10, 24, 18, tzinfo=UTC), datetime(2026, 11, 1, 0, tzinfo=UTC),
          datetime(2026, 4, 4, 9, tzinfo=UTC)]  # fmt: skip
ZONES = [UTC, *map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))]
LIMITS = StateHubLimits()
INSTANTS = 64
RESULT = {"lock_skipped": False, "automation_error": False, "exit_code": 0}
DONE = result(skipped_clean=Repos(count=8, names=None))


def brute(since: datetime, until: datetime, there: set[datetime], busy: list[tuple[datetime, datetime]]) -> list[datetime]:  # fmt: skip
    """Missed instants that count, minute by minute. `busy` are sweeps by hand, from when to when."""
    gone, moment = [], since.replace(second=0, microsecond=0)
    while moment <= until:
        if moment >= since and moment.timestamp() % 900 == 0 and moment not in there:
            gone.append(moment)
        moment += MINUTE
    longest = LIMITS.sweep.duration + LIMITS.slack.duration
    counted = []
    for instant in gone:
        alone = instant - STEP not in gone and instant + STEP not in gone
        excused = any(begin <= instant < end <= instant + longest for begin, end in busy)
        if not (alone and excused):
            counted.append(instant)
    return counted


@settings(max_examples=60, deadline=None)
@given(
    night=st.sampled_from(NIGHTS),
    absent=st.sets(st.integers(0, INSTANTS - 1)),
    by_hand=st.lists(st.tuples(st.integers(0, INSTANTS * 900), st.integers(0, 400)), max_size=6),
    zone=st.sampled_from(ZONES),
    stretch=st.tuples(st.integers(0, 7200), st.integers(0, INSTANTS * 900)),
)
@example(night=NIGHTS[1], absent=set(), by_hand=[], zone=ZONES[1], stretch=(0, 8 * 3600))
def test_any_runs_have_the_gaps_that_a_brute_force_finds(
    night: datetime,
    absent: set[int],
    by_hand: list[tuple[int, int]],
    zone: ZoneInfo,
    stretch: tuple[int, int],
) -> None:
    """Exactly the missed instants that count are named: single ones with a sweep in flight are not."""
    present = [night + STEP * n for n in range(INSTANTS) if n not in absent]
    busy = [(night + timedelta(seconds=s), night + timedelta(seconds=s + took)) for s, took in by_hand]
    events = [
        SweepEvent(id=f"scheduled {i}", at=i + timedelta(seconds=30), result=DONE.model_copy(update={"took_s": 20.0}))
        for i in present
    ]  # fmt: skip
    for number, (start, end) in enumerate(busy):
        took = (end - start).total_seconds()
        by_them = DONE.model_copy(update={"source": "manual", "took_s": took})
        events.append(SweepEvent(id=f"by hand {number}", at=end, result=by_them))
    # As PostgreSQL tells them: in the session's zone, in which an hour of the autumn night comes twice.
    rows = [
        {"run": str(i), "scheduled": i.astimezone(zone), "fired": i.astimezone(zone), "result": RESULT, "size": 1}
        for i in present
    ]  # fmt: skip
    since = night + timedelta(seconds=stretch[0])
    until = max(since, night + min(timedelta(seconds=stretch[1]), STEP * (INSTANTS - 1)))
    seen = Runs(
        runs=tuple(map(run_of, rows)),
        count=len(rows),
        day=night,
        since=since,
        since_why="the definition's last change",
        as_of=until + LIMITS.sweep.duration + LIMITS.slack.duration,
        ahead=timedelta(0),
        standby=False,
        manual=("manual",),
    )
    sweeps = Sweeps(
        events=tuple(sorted(events, key=lambda e: e.at, reverse=True)),
        count=len(events),
        looked=night + STEP * (INSTANTS + 1),
        covers=night,
        repeated=0,
        source="activity-core",
        manual=("manual",),
    )
    finding = one_run_per_instant(seen, sweeps, LIMITS)
    expected = brute(since, until, set(present), busy)
    told = [line for line in finding.details if line.endswith(": no run")]
    assert told == [f"{i:%Y-%m-%d %H:%M:%S}Z: no run" for i in expected[:20]]
    nothing_due = not due(since, until, STEP)
    assert finding.reason == ("missed" if expected else "too-early" if nothing_due else "one-each")
    assert not expected or finding.observed == f"{len(expected)} missed"

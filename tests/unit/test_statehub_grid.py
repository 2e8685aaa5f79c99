"""The gap finder agrees with a brute-force one, whatever the runs are, and over changes of daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from systems.statehub.schedule.grid import at_or_after, at_or_before, consecutive, due, missing

STEP = timedelta(minutes=15)
START = datetime(2026, 3, 28, tzinfo=UTC)  # daylight saving time begins in Europe on the 29th
seconds_in = st.integers(0, 3 * 86400).map(lambda s: START + timedelta(seconds=s))


def _brute(since: datetime, until: datetime, there: set[datetime]) -> list[datetime]:
    found, moment = [], START - timedelta(days=1)
    while moment <= until:
        if moment >= since and moment.minute % 15 == 0 and moment.second == 0 and moment not in there:
            found.append(moment)
        moment += timedelta(minutes=1)
    return found


@given(
    since=seconds_in,
    length=st.integers(0, 30 * 3600),
    runs=st.sets(st.integers(0, 400)),
    odd=st.sets(seconds_in),
)
def test_missing_agrees_with_brute_force(
    since: datetime, length: int, runs: set[int], odd: set[datetime]
) -> None:
    """Any set of runs, on the grid or off it, has exactly the gaps that a look at each minute finds."""
    until = since + timedelta(seconds=length)
    there = {START + STEP * n for n in runs} | odd
    assert missing(since, until, STEP, there) == _brute(since, until, there)


@given(moment=seconds_in, seconds=st.sampled_from([2, 4, 5, 300, 900, 3600]))
def test_instants_enclose_a_moment(moment: datetime, seconds: int) -> None:
    """The instant before and the one after are on the grid, and less than a step away."""
    step = timedelta(seconds=seconds)
    before, after = at_or_before(moment, step), at_or_after(moment, step)
    assert moment - step < before <= moment <= after < moment + step
    assert before.timestamp() % seconds == 0
    assert due(before, after, step) == ([before] if before == after else [before, after])


def test_daylight_saving_time_moves_nothing() -> None:
    """A day in which clocks go forward has 96 quarter hours, whichever zone the times are told in."""
    zone = ZoneInfo("Europe/Berlin")
    local = [instant.astimezone(zone) for instant in due(START, START + timedelta(days=2) - STEP, STEP)]
    assert len(local) == 192
    assert missing(START, START + timedelta(days=2) - STEP, STEP, set(local)) == []


@given(st.sets(st.integers(0, 60)))
def test_neighbours_are_grouped(numbers: set[int]) -> None:
    """Groups are the instants again, in order, and no two groups touch."""
    instants = [START + STEP * n for n in sorted(numbers)]
    groups = consecutive(instants, STEP)
    assert [i for group in groups for i in group] == instants
    assert all(b[0] - a[-1] > STEP for a, b in pairwise(groups))

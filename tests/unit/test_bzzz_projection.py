"""Where a straight line through a resource's use leads, and how sure that is."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.capacity.criteria.outlook import cpu_lasts, disk_lasts, memory_lasts
from checks.bzzz.capacity.criteria.projection import project
from systems.bzzz.capacity.models import Trail, Trails
from systems.bzzz.limits import BzzzLimits

END = datetime(2026, 11, 21, tzinfo=UTC)
LEAST = timedelta(days=3)
LIMITS = BzzzLimits()


def rising(
    level: float, slope: float, *, noise: float = 0.0, days: int = 14, seed: int = 7
) -> list[tuple[datetime, float]]:
    """A use of `level` at the end that has risen by `slope` a day, every three hours, with noise."""
    source = random.Random(seed)  # noqa: S311 -- noise, the same each time
    return [
        (END + timedelta(hours=hour), level + slope * hour / 24 + source.gauss(0, noise))
        for hour in range(-24 * days, 1, 3)
    ]


def trails(*points: tuple[str, list[tuple[datetime, float]]]) -> Trails:
    """The same as seen of some nodes' disks."""
    found = (Trail(resource="disk", node=node, what="/", points=tuple(of)) for node, of in points)
    return Trails(at=END, trails=tuple(found))


def test_a_straight_line_meets_its_limit_on_its_day() -> None:
    """Without noise the day is exact, and its bounds are that day."""
    found = project(rising(0.5, 0.01), 0.7, LEAST)
    assert found is not None
    assert found.grows
    assert found.reached == pytest.approx(20, abs=0.01)
    assert found.earliest == pytest.approx(20, abs=0.1)
    assert found.latest == pytest.approx(20, abs=0.1)


def test_noise_widens_the_bounds_around_the_day() -> None:
    """The bounds lie on both sides of the day, further apart the larger the noise is."""
    quiet, loud = (project(rising(0.5, 0.004, noise=n), 0.7, LEAST) for n in (0.005, 0.02))
    assert quiet and loud and quiet.reached and quiet.earliest and quiet.latest and loud.earliest  # noqa: PT018
    assert quiet.earliest < quiet.reached < quiet.latest
    assert loud.latest is None or loud.latest - loud.earliest > quiet.latest - quiet.earliest


def test_what_does_not_grow_gets_no_date() -> None:
    """A falling use, and one that only goes up and down, reach nothing."""
    falling = project(rising(0.5, -0.01), 0.7, LEAST)
    assert falling is not None
    assert falling.reached is None
    wave = [(at, 0.5 + 0.1 * math.sin(number / 4)) for number, (at, _) in enumerate(rising(0.5, 0))]
    level = project(wave, 0.7, LEAST)
    assert level is not None
    assert not level.grows


def test_too_few_days_give_no_line() -> None:
    """Two days, or two points, are no trend."""
    assert project(rising(0.5, 0.01, days=2), 0.7, LEAST) is None
    assert project(rising(0.5, 0.01)[::100], 0.7, LEAST) is None


@given(
    st.lists(st.floats(0, 1), min_size=8, max_size=40),
    st.floats(0.05, 1),
)
def test_any_points_give_a_line_or_none(values: list[float], limit: float) -> None:
    """Nothing that can be measured breaks the fit, and its bounds are in order."""
    points = [(END + timedelta(days=number), value) for number, value in enumerate(values)]
    found = project(points, limit, LEAST)
    assert found is not None
    if found.earliest is not None:
        assert found.grows
        assert found.reached is None or found.earliest <= found.reached + 1e-6
    if found.latest is not None:
        assert found.reached is not None
        assert found.latest >= found.reached - 1e-6
    for days in (found.reached, found.earliest, found.latest):
        assert days is None or found.end <= (found.when(days) or found.end) <= found.end + timedelta(
            days=3650
        )


@given(st.floats(-0.02, 0.02), st.floats(0, 0.05), st.integers(1, 100))
def test_on_the_days_of_the_bounds_the_bands_edges_are_at_the_limit(
    slope: float, noise: float, seed: int
) -> None:
    """The earliest day is when the band's upper edge meets the limit, the latest when its lower edge does."""
    found = project(rising(0.4, slope, noise=noise, seed=seed), 0.7, LEAST)
    assert found is not None
    for day, side in ((found.earliest, 1), (found.reached, 0), (found.latest, -1)):
        if day and found.grows:
            value, half = found.at(day)
            assert value + side * half == pytest.approx(0.7, abs=1e-6)


def test_a_disk_that_is_full_in_weeks_fails_with_its_date_and_a_figure() -> None:
    """The worst node's date and bounds are told, and drawn."""
    seen = trails(("walnut", rising(0.4, 0.0)), ("acacia", rising(0.5, 0.005, noise=0.002)))
    finding = disk_lasts(seen, LIMITS)
    assert (finding.holds, finding.reason) == (False, "disk-full-soon")
    assert finding.figure is not None
    assert finding.figure.reached is not None
    assert abs(finding.figure.reached - (END + timedelta(days=40))) < timedelta(days=2)
    day = f"{finding.figure.reached:%Y-%m-%d}"
    assert (
        f"acacia / 50.0% now, +0.50% a day: reaches its limit on {day} (40 days), between "
        in finding.observed
    )
    assert len(finding.figure.band) == 9


def test_a_disk_that_lasts_and_one_that_is_full_already_hold() -> None:
    """More than 90 days are enough; what is full already is another check's, and told."""
    seen = trails(("walnut", rising(0.5, 0.001)), ("acacia", rising(0.9, 0.005)))
    finding = disk_lasts(seen, LIMITS)
    assert (finding.holds, finding.reason) == (True, "disk-lasts")
    assert "acacia /: at its limit already, see B-CAP-1" in finding.details


def test_a_resource_with_too_few_days_is_said_and_gets_no_date() -> None:
    """Where there is too little to judge from, that is told."""
    finding = disk_lasts(trails(("walnut", rising(0.5, 0.1, days=1))), LIMITS)
    assert (finding.holds, finding.reason) == (None, "too-few-days")
    assert "walnut /: too few days of data for a projection" in finding.details
    assert finding.figure is None


RULES = {"cpu": cpu_lasts, "memory": memory_lasts, "disk": disk_lasts}
SOON = {"cpu": "cpu-full-soon", "memory": "memory-full-soon", "disk": "disk-full-soon"}
LEVEL, GROWING, FULL = rising(0.4, 0.0), rising(0.5, 0.01), rising(0.9, 0.0)


@pytest.mark.parametrize("resource", RULES)
@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ((LEVEL,), "lasts"),
        ((LEVEL, GROWING), "full-soon"),
        ((), "too-few-days"),
        (([],), "too-few-days"),
        ((GROWING[:2],), "too-few-days"),
        ((GROWING[::-20][::-1],), "too-few-days"),
        ((rising(0.5, 0.01, days=3),), "full-soon"),
        ((rising(0.5, 0.01, days=3)[1:],), "too-few-days"),
        ((LEVEL, GROWING[-3:]), "lasts"),
        (([(at - timedelta(days=4), value) for at, value in GROWING],), "too-few-days"),
        ((FULL,), "limit-judged"),
        ((FULL, LEVEL), "lasts"),
    ],
)
def test_each_resource_has_its_own_outlook(
    resource: str, points: tuple[list[tuple[datetime, float]], ...], reason: str
) -> None:
    """Three days of it are enough; of none, of too few, or of what has ended there is no outlook, and no pass."""
    other = (
        trails(("other", GROWING))
        .trails[0]
        .model_copy(update={"resource": "disk" if resource == "cpu" else "cpu"})
    )
    found = [
        t.model_copy(update={"resource": resource})
        for t in trails(*((str(n), p) for n, p in enumerate(points))).trails
    ]
    finding = RULES[resource](Trails(at=END, trails=(other, *found)), LIMITS)
    known = {"lasts": (True, f"{resource}-lasts"), "full-soon": (False, SOON[resource])}
    wanted = known.get(reason, (True if reason == "limit-judged" else None, reason))
    assert (finding.holds, finding.reason) == wanted


def test_what_has_just_come_to_its_limit_is_judged_by_its_present_use() -> None:
    """Its last value decides, and at the limit is no longer ahead of it."""
    points = [*GROWING[:-1], (GROWING[-1][0], LIMITS.disk_use.value)]
    assert disk_lasts(trails(("walnut", points)), LIMITS).reason == "limit-judged"


def test_what_ended_days_ago_gets_no_date() -> None:
    """A node, or a disk, that was taken away is named, and is full on no day."""
    old = [(at - timedelta(days=4), value) for at, value in rising(0.5, 0.01)]
    finding = disk_lasts(trails(("walnut", rising(0.4, 0.0)), ("acacia", old)), LIMITS)
    assert (finding.holds, finding.reason) == (True, "disk-lasts")
    assert "acacia /: no samples since 2026-11-17" in finding.details


@pytest.mark.parametrize(("days", "holds"), [(89.5, False), (90.5, True)])
def test_ninety_days_are_enough(days: float, *, holds: bool) -> None:
    """The limit is on the day itself, not on its bounds."""
    finding = disk_lasts(trails(("acacia", rising(0.5, 0.2 / days))), LIMITS)
    assert finding.holds is holds


def test_a_disk_that_is_full_by_tomorrow_comes_before_one_that_is_full_next_month() -> None:
    """The nearest date is what is observed, and what is drawn."""
    seen = trails(("walnut", rising(0.5, 0.007)), ("acacia", rising(0.69, 0.01)), ("oak", rising(0.1, 0)))
    finding = disk_lasts(seen, LIMITS)
    assert finding.observed.startswith("acacia / 69.0% now")
    assert finding.figure is not None
    assert finding.figure.title == "disk of acacia /"
    assert [line.split(" ")[0] for line in finding.details] == ["acacia", "walnut", "oak"]

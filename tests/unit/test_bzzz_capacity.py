"""The rules of tasks' memory, of latency against an earlier run, and of logs, at their boundaries."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.capacity.criteria.outlook import no_slower, tasks_within_memory
from checks.bzzz.logs.criteria import arriving, few_errors
from systems.bzzz.capacity.models import Latency, Percentiles, Trail
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.logs.client import sampled
from systems.bzzz.logs.models import LogLine, Logs
from systems.bzzz.services.models import TaskUse

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = BzzzLimits()
MIB = 1024**2


def use(memory: int, limit: int) -> TaskUse:
    """What a task uses."""
    return TaskUse(service="s", task="s.1", node="walnut", memory=memory, memory_limit=limit, cpu_percent=3.0)


@pytest.mark.parametrize(
    ("memory", "limit", "holds"),
    [(89, 100, True), (90, 100, False), (200, 100, False), (10**12, 0, True), (0, 100, True)],
)
def test_a_task_stays_below_nine_tenths_of_its_limit(memory: int, limit: int, *, holds: bool) -> None:
    """At nine tenths it is near; one without a limit is near none."""
    found = tasks_within_memory((use(5 * MIB, 0), use(memory * MIB, limit * MIB)), LIMITS)
    assert found.holds is holds
    assert found.reason == (
        ("memory-within-limit" if limit else "no-limits") if holds else "memory-near-limit"
    )
    assert f"{memory} MiB" in " ".join(found.details)


def test_no_task_is_within_no_limit() -> None:
    """Where nothing runs nobody knows."""
    found = tasks_within_memory((), LIMITS)
    assert (found.holds, found.reason) == (None, "no-tasks")


def latency(**operations: tuple[float, float]) -> Latency:
    """Median and 95th percentile by operation."""
    found = (Percentiles(operation=o, p50=p50, p95=p95, count=30) for o, (p50, p95) in operations.items())
    return Latency(at=NOW, window_s=300, operations=tuple(found))


LATENCIES = [
    ((0.010, 0.020), (0.010, 0.020), True),
    ((0.010, 0.020), (0.015, 0.030), True),  # exactly half as much again
    ((0.010, 0.020), (0.016, 0.020), False),
    ((0.010, 0.020), (0.010, 0.031), False),
    ((0.001, 0.001), (0.006, 0.006), True),  # six times, but less than the floor
    ((0.001, 0.001), (0.007, 0.001), False),
    ((0.0, 0.0), (0.005, 0.005), True),  # nothing then: the floor alone counts
    ((0.0, 0.0), (0.006, 0.006), False),
    ((0.5, 0.5), (0.1, 0.1), True),
    ((0.5, 0.5), (0.1, math.nan), False),
]


@pytest.mark.parametrize(("then", "now", "holds"), LATENCIES)
def test_slower_is_by_more_than_the_growth_and_by_more_than_the_floor(
    then: tuple[float, float], now: tuple[float, float], *, holds: bool
) -> None:
    """Both have to be passed, by the median or by the slow ones."""
    found = no_slower(latency(put=then), latency(put=now), LIMITS)
    assert (found.holds, found.reason) == (holds, "latency-as-before" if holds else "latency-grown")


def test_only_the_same_operations_are_compared() -> None:
    """One that is slower is shown; one that is measured no more is named, and leaves it open where the others are as fast."""
    before = latency(put=(0.01, 0.02), get=(0.01, 0.02), old=(0.01, 0.02))
    found = no_slower(before, latency(put=(0.01, 0.02), get=(0.1, 0.2), new=(9.0, 9.0)), LIMITS)
    assert found.observed == "1 of 2 operations slower; in the baseline, not measured now: old"
    assert [line.split(":")[0] for line in found.details] == ["get"]
    left = no_slower(before, latency(put=(0.01, 0.02), get=(0.01, 0.02)), LIMITS)
    assert (left.holds, left.reason) == (None, "operations-differ")
    assert left.observed == "none of 2 operations slower; in the baseline, not measured now: old"
    none = no_slower(before, latency(new=(0.0, 0.0)), LIMITS)
    assert (none.holds, none.reason) == (None, "operations-differ")
    assert none.observed == "no operation in common: baseline has get, old, put, now new"


def test_only_the_same_window_is_compared() -> None:
    """Percentiles over another time are other figures, also where they look slower."""
    before = latency(put=(0.01, 0.02)).model_copy(update={"window_s": 60})
    for now in (0.01, 9.0):
        found = no_slower(before, latency(put=(now, now)), LIMITS)
        assert (found.holds, found.reason) == (None, "windows-differ")


def test_a_trail_has_a_length_and_an_end() -> None:
    """A day without a point is an end; a trail without any has neither."""
    points = tuple((NOW - timedelta(hours=h), 0.1) for h in (48, 24))
    trail = Trail(resource="disk", node="n", what="/", points=points)
    assert trail.length == timedelta(days=1)
    assert not trail.ended(NOW)
    assert trail.ended(NOW + timedelta(seconds=1))
    none = trail.model_copy(update={"points": ()})
    assert (none.length, none.ended(NOW)) == (timedelta(0), False)


def logs(**told: Any) -> Logs:
    """What was read in an hour."""
    known: dict[str, Any] = {"of": "x", "lines": 20, "errors": 0, "fatal": 0, "more": False, "newest": NOW}
    return Logs(window_s=3600, **{**known, **told})


@given(st.integers(0, 1000), st.integers(0, 3), st.booleans())
def test_few_errors_and_no_programs_end(errors: int, fatal: int, more: bool) -> None:  # noqa: FBT001
    """One line of a program's end fails, as does one error more than a few; fewer are few only where all were read."""
    found = few_errors(logs(errors=errors, fatal=fatal, more=more), LIMITS)
    few = not fatal and errors <= LIMITS.log_errors.value
    assert found.holds is (None if few and more else few)
    assert found.observed.startswith(f"at least {errors} " if more else f"{errors} ")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"errors": 20}, "few-errors"),
        ({"errors": 21}, "errors-logged"),
        ({"errors": 21, "fatal": 1}, "fatal-lines"),
        ({"errors": 20, "more": True}, "more-not-read"),
        ({"errors": 21, "more": True}, "errors-logged"),
        ({"errors": 20, "newest_only": True}, "few-errors"),
        ({"lines": 0}, "no-lines"),
        ({"lines": 0, "errors": 1, "fatal": 1}, "fatal-lines"),
    ],
)
def test_errors_are_few_where_all_were_read(told: dict[str, Any], reason: str) -> None:
    """No line at all is no line without errors."""
    found = few_errors(logs(**told), LIMITS)
    known = {"few-errors": True, "more-not-read": None, "no-lines": None}
    assert (found.holds, found.reason) == (known.get(reason, False), reason)


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (0, "logs-arrive"),
        (600, "logs-arrive"),
        (600.5, "logs-stopped"),
        (-5, "logs-arrive"),
        (-600, "logs-arrive"),
        (-600.5, "logs-ahead"),
        (None, "no-lines"),
    ],
)
def test_the_newest_line_is_young(age: float | None, reason: str) -> None:
    """Ten minutes are young enough; further ahead than that no clock is right, and where there is none nobody knows."""
    newest = None if age is None else NOW - timedelta(seconds=age)
    found = arriving(logs(newest=newest), NOW, LIMITS)
    known = {"logs-arrive": True, "logs-stopped": False}
    assert (found.holds, found.reason) == (known.get(reason), reason)


@given(st.lists(st.sampled_from(["ERROR", "FATAL x", "panic: y", "ERROR z"]), max_size=12))
def test_samples_begin_with_a_programs_end(texts: list[str]) -> None:
    """Of both kinds the newest come first, and there are five at most."""
    lines = [LogLine(at=None, of=str(n), text=text) for n, text in enumerate(texts)]
    fatal = [line for line in lines if not line.text.startswith("ERROR")]
    rest = [line for line in lines if line.text.startswith("ERROR")]
    assert list(sampled(lines)) == [*fatal, *rest][:5]

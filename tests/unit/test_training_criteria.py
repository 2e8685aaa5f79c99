"""What the criteria of the training side say of values that were seen: each answer has been seen."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.esper.kasmina import criteria as kasmina
from checks.esper.tamiyo import criteria as tamiyo
from checks.esper.tolaria import criteria as tolaria
from checks.esper.training.arrival import is_fresh
from systems.esper.limits import EsperLimits
from systems.esper.training.models import (
    Acknowledged,
    AlertAgreement,
    Conservative,
    Decisions,
    EventSeen,
    HealthTold,
    Isolation,
    KernelLoad,
    Kernels,
    TolariaHealth,
    TolariaRun,
)
from tests.unit.esper_seen import event, reading, run, source

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS = EsperLimits()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("of_limit", "fresh"), [(-1.01, False), (-1, True), (0, True), (1, True), (1.01, False)]
)
def test_what_is_fresh_is_neither_old_nor_of_the_future(of_limit: float, *, fresh: bool) -> None:
    """An age as large as the limit is fresh, to either side; an unknown one is not."""
    assert is_fresh(of_limit * LIMITS.fresh.value, LIMITS) is fresh
    assert not is_fresh(None, LIMITS)
    assert not is_fresh(math.nan, LIMITS)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (run(), "loss-finite"),
        (run([math.nan]), "loss-not-finite"),
        (run([0.2, math.inf]), "loss-not-finite"),
        (run([None]), "loss-missing"),
        (run([math.nan, 0.2]), "loss-finite"),  # while it runs the newest epoch counts
        (run([math.nan, 0.2], workload="idle"), "loss-not-finite"),  # a run that is over, as a whole
        (run([1e308], workload="idle", age_s=1e9), "loss-finite"),
        (run(age_s=60.0), "loss-finite"),
        (run(age_s=60.1), "stale"),
        (run(age_s=math.nan), "stale"),
        (run(age_s=-60.1), "ahead-of-the-clock"),
        (run(()).model_copy(update={"epochs": ()}), "no-epochs"),
        (run(age_s=None, packets=0, workload="idle"), "none-shown"),
        (run(age_s=60.1, workload="window"), "loss-finite"),
        (run(age_s=math.nan, workload="idle"), "ahead-of-the-clock"),
        (run(age_s=-60.0, workload="idle"), "loss-finite"),
        (run(age_s=-60.1, workload="idle"), "ahead-of-the-clock"),
        (run(workload="idle").model_copy(update={"count": 2}), "part-missing"),
        (run(age_s=None, packets=0), "absent"),
    ],
)
def test_the_loss_is_finite_and_fresh(seen: TolariaRun, reason: str) -> None:
    """A loss must be there, finite, and fresh where training runs."""
    found = tolaria.loss_is_finite(seen, LIMITS)
    open_ = reason in ("ahead-of-the-clock", "no-epochs", "none-shown", "part-missing")
    assert (found.reason, found.holds) == (reason, None if open_ else reason == "loss-finite")


@pytest.mark.parametrize(
    ("latencies", "workload", "reason"),
    [
        ([18.0] * 5, "running", "pace-kept"),  # at the limit is not above it
        ([18.1] * 2, "running", "pace-kept"),
        ([18.1] * 3, "running", "epochs-slow"),
        ([18.1] * 4, "running", "epochs-slow"),
        ([18.1, 18.1, 12.0, 18.1], "running", "pace-kept"),
        ([18.1] * 3 + [12.0], "running", "pace-kept"),  # over: the newest epochs count
        ([18.1] * 3 + [12.0], "idle", "epochs-slow"),  # any streak of a run that is over
        ([18.1] * 3 + [None], "idle", "epochs-slow"),  # what is known to be slow outranks what is missing
        ([None, 18.1, 18.1], "running", "latency-missing"),  # may be the third
        ([12.0, math.nan], "running", "latency-missing"),
        ([18.1, math.nan, 18.1, 12.0], "idle", "latency-missing"),
        ([18.1, math.nan, 12.0, 12.0], "idle", "pace-kept"),  # two at most
        ([], "running", "latency-missing"),
        ([math.inf] * 3, "window", "epochs-slow"),
    ],
)
def test_the_pace_is_judged_by_epochs_in_a_row(
    latencies: list[float | None], workload: str, reason: str
) -> None:
    """So many epochs in a row above the limit are slow: the newest while it runs, any of a run that is over."""
    seen = run(latencies=latencies, workload=workload)
    if not latencies:
        seen = seen.model_copy(update={"epochs": ()})
    found = tolaria.pace_is_kept(seen, LIMITS)
    expected = {"epochs-slow": False, "pace-kept": True}.get(reason)
    assert (found.reason, found.holds) == (reason, expected)


def test_an_epoch_that_is_not_told_of_leaves_the_pace_open() -> None:
    """It may be the third that was slow."""
    found = tolaria.pace_is_kept(run(latencies=[18.1, 18.1]).model_copy(update={"count": 3}), LIMITS)
    assert (found.reason, found.holds) == ("part-missing", None)


@given(st.lists(st.floats(0, 100), min_size=3, max_size=40))
def test_three_slow_epochs_at_the_end_are_found_after_any_others(latencies: list[float]) -> None:
    """Whatever came before, three slow epochs at the end are slow."""
    assert not tolaria.pace_is_kept(run(latencies=[*latencies, 19.0, 19.0, 19.0]), LIMITS).holds


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([(0.0, "HEALTHY")], "well"),
        ([(2.0, "DEGRADED")], "well"),
        ([(2.0, "UNHEALTHY")], "unhealthy"),
        ([(2.0, "CRITICAL"), (2.0, "HEALTHY")], "unhealthy"),
        ([(None, "HEALTHY")], "seeds-not-reported"),
        ([(math.nan, "HEALTHY"), (2.0, "HEALTHY")], "seeds-not-reported"),
        ([(2.0, "")], "health-not-told"),
        ([(2.0, "UNKNOWN"), (2.0, "HEALTHY")], "health-not-told"),
        ([(None, "UNKNOWN")], "seeds-not-reported"),
        ([], "health-not-told"),
    ],
)
def test_tolaria_feels_well(told: list[tuple[float | None, str]], reason: str) -> None:
    """Seeds must be reported, and health be one that is known, neither UNHEALTHY nor CRITICAL, in all that is judged."""
    packets = [
        HealthTold(packet="p", entry="1-0", health=health, summary="", indicators={}, seeds=seeds)
        for seeds, health in told
    ]
    seen = TolariaHealth(
        source=source(), count=len(packets), told=tuple(packets), events=(event("zero_samples"),)
    )
    more = tolaria.feels_well(seen.model_copy(update={"count": 3}), LIMITS)
    assert more.reason == ("part-missing" if reason == "well" else reason)
    found = tolaria.feels_well(seen, LIMITS)
    expected = None if reason == "health-not-told" else reason == "well"
    assert (found.reason, found.holds) == (reason, expected)


SLOW, FAST = (25.0,) * 3, (12.0,) * 3


@pytest.mark.parametrize(
    ("active", "by_rule", "latencies", "behind", "reason"),
    [
        (False, (False,), FAST, 0, "alert-agrees"),
        (True, (True,), SLOW, 0, "alert-agrees"),
        (False, (False,), SLOW, 0, "alert-quiet-on-slow-epochs"),
        (False, (False,), (18.0,) * 3, 0, "alert-agrees"),
        (False, (False,), (25.0,) * 4, 1, "alert-quiet-on-slow-epochs"),  # slow with and without the newest
        (False, (False, True), SLOW, 1, "alert-agrees"),  # Nissa may not have had the third
        (False, (False,), SLOW, 9, "alert-agrees"),
        (False, (False,), (*SLOW, 12.0), 0, "alert-agrees"),  # it runs: what was slow is over
        (False, (False,), (25.0, math.nan, 25.0, 12.0), 0, "alert-agrees"),
        (True, (False,), FAST, 0, "alert-against-its-rule"),
        (False, (True,), FAST, 0, "alert-against-its-rule"),
        (True, (False, True), (*SLOW, 12.0), 1, "alert-agrees"),  # Nissa may be a moment behind
        (False, (False,), (25.0, math.nan, 25.0), 0, "latency-missing"),
        (True, (True,), (25.0, None, 25.0), 0, "alert-agrees"),
        (False, (False,), (), 0, "latency-missing"),
    ],
)
def test_the_alert_is_held_against_epochs_and_rule(
    active: bool,  # noqa: FBT001 - a case of the table
    by_rule: tuple[bool, ...],
    latencies: tuple[float | None, ...],
    behind: int,
    reason: str,
) -> None:
    """An alert that is quiet on slow epochs, or is not what its rule makes of the packets, disagrees."""
    seen = AlertAgreement(
        workload="running",
        active=active,
        value=25.0 if active else None,
        by_rule=by_rule,
        epochs=len(latencies),
        latencies=latencies,
        behind=behind,
        reset_by="packet x of tamiyo (1-0)",
        looks=2,
    )
    found = tolaria.alert_agrees(seen, LIMITS)
    expected = None if reason == "latency-missing" else reason == "alert-agrees"
    assert (found.reason, found.holds) == (reason, expected)
    more = tolaria.alert_agrees(seen.model_copy(update={"epochs": 9}), LIMITS)
    assert more.reason == ("part-missing" if found.holds else reason)
    if reason == "alert-quiet-on-slow-epochs":
        assert "reset by packet x of tamiyo (1-0)" in found.details


def isolation(
    values: Sequence[float | None], acknowledged: Acknowledged | None = None, **more: Any
) -> Isolation:
    """Kasmina's counter, newest first."""
    return Isolation(
        source=source("kasmina", **{"packets": len(values), **more}),
        at=NOON,
        readings=tuple(reading(v) for v in values),
        recorded=(event("violation_recorded", seed_id="seed-7", violations="4"),),
        seeds=("seed-7 SEED_STAGE_TRAINING",),
        acknowledged=acknowledged,
    )


VALID = Acknowledged(count=4, owner="somebody", expires=NOON + timedelta(days=1))
OVER = Acknowledged(count=4, owner="somebody", expires=NOON)


@pytest.mark.parametrize(
    ("values", "given_", "reason"),
    [
        ([0, 0, 0, 0, 0], None, "isolated"),
        ([0], None, "isolated"),
        ([4, 4, 4, 4, 4], None, "violations-unacknowledged"),
        ([4, 4, 4, 4, 3], VALID, "isolated"),  # risen, but for as many packets not any more
        ([4, 4, 4, 3, 3], VALID, "violations-rising"),
        ([5, 5, 5, 5], VALID, "violations-unacknowledged"),
        ([4, 4, 4, 4], OVER, "violations-unacknowledged"),
        ([0, 0, 5, 4, 3], None, "isolated"),  # Kasmina restarted
        ([2, 1, 0, 9, 9], None, "violations-rising"),  # and broke again
        ([math.inf, math.inf], None, "violations-rising"),
        ([], None, "no-packets"),
        ([0, math.nan, 0, 0], None, "not-a-number"),
        ([0, 0, 0, None], None, "not-a-number"),
        ([-1, -1, -1, -1], None, "not-a-number"),
        ([4, math.nan, 0, 0], None, "violations-unacknowledged"),
        ([0, 0, 0, 0, math.nan], None, "isolated"),  # before what is watched
    ],
)
def test_isolation_is_judged_by_rise_and_acknowledgement(
    values: list[float | None], given_: Acknowledged | None, reason: str
) -> None:
    """A counter that rises, or stands above what is acknowledged, is a breach; one that fell tells of a restart."""
    found = kasmina.isolation_kept(isolation(values, given_), LIMITS)
    assert (found.reason, found.holds) == (
        reason,
        {"isolated": True, "no-packets": None, "not-a-number": None}.get(reason, False),
    )
    restarted = any(new < old for new, old in pairwise(v or 0.0 for v in values if not math.isnan(v or 0.0)))
    assert any("Kasmina restarted" in line for line in found.details) == restarted


def test_a_packet_of_kasmina_that_is_not_told_of_leaves_it_open() -> None:
    """It may be the one that shows a rise."""
    found = kasmina.isolation_kept(isolation([4, 4, 4], VALID, packets=4), LIMITS)
    assert (found.reason, found.holds) == ("part-missing", None)
    seen = Kernels(source=source("kasmina", packets=2), loads=(KernelLoad(fetch=reading(4.0), fallbacks=()),))
    load = kasmina.kernels_in_time(seen, LIMITS)
    assert (load.reason, load.holds) == ("part-missing", None)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_counter_above_nothing_acknowledged_never_passes(values: list[int]) -> None:
    """Whatever came before, a counter that is not 0 is no isolation unless somebody acknowledged it."""
    found = kasmina.isolation_kept(isolation([float(v) for v in values]), LIMITS)
    assert found.holds == (values[0] == 0)


FALLBACK = (event("fallback_applied"),)


@pytest.mark.parametrize(
    ("loads", "reason"),
    [
        ([(9.9, ())], "kernels-in-time"),
        ([(10.0, ())], "kernels-in-time"),
        ([(10.1, ())], "fetch-slow"),
        ([(math.nan, ())], "fetch-slow"),
        ([(-1.0, ())], "fetch-slow"),
        ([(-math.inf, ())], "fetch-slow"),
        ([(None, ())], "fallback-kernel"),
        ([(4.0, FALLBACK)], "fallback-kernel"),
        ([(4.0, ()), (4.0, ()), (4.0, FALLBACK)], "fallback-kernel"),
        ([(4.0, ()), (4.0, ()), (4.0, ()), (4.0, FALLBACK)], "kernels-in-time"),  # as many packets ago
        ([], "no-packets"),
    ],
)
def test_kernels_come_in_time_from_the_library(
    loads: list[tuple[float | None, tuple[EventSeen, ...]]], reason: str
) -> None:
    """A slow fetch and a fallback are found, also where only the missing latency tells of it."""
    seen = [KernelLoad(fetch=reading(fetch), fallbacks=fallbacks) for fetch, fallbacks in loads]
    heard = source("kasmina", packets=len(seen))
    found = kasmina.kernels_in_time(Kernels(source=heard, loads=tuple(seen)), LIMITS)
    assert (found.reason, found.holds) == (
        reason,
        {"kernels-in-time": True, "no-packets": None}.get(reason, False),
    )


def test_conservative_mode_is_told_since_when_and_why() -> None:
    """The time is that of the first packet of the streak, a lower bound where it begins beyond what was read."""

    def seen(*modes: float) -> Conservative:
        readings = [
            reading(mode).model_copy(update={"age_s": float(n), "packet": f"p{n}"})
            for n, mode in enumerate(modes)
        ]
        reasons = (event("pause_triggered", loss_delta="0.200", conservative="true"),)
        return Conservative(
            source=source("tamiyo", packets=len(modes)),
            modes=tuple(readings),
            reasons=reasons,
            loss_delta=0.2,
            risk=None,
        )

    on = tamiyo.not_conservative(seen(1.0, 1.0, 0.0, 1.0), LIMITS)
    assert not on.holds
    assert on.observed.startswith("tamiyo.conservative_mode 1 for 1.0 s (packet p1")
    assert "pause_triggered (conservative true, loss_delta 0.200) in p, 0.5 s ago" in on.details
    assert tamiyo.not_conservative(seen(1.0, 1.0), LIMITS).observed.startswith(
        "tamiyo.conservative_mode 1 for at least 1.0 s"
    )
    assert tamiyo.not_conservative(seen(0.0, 1.0), LIMITS).reason == "not-conservative"
    for odd in (seen(), seen(0.5), seen(math.nan, 1.0)):
        found = tamiyo.not_conservative(odd, LIMITS)
        assert (found.reason, found.holds) == ("mode-not-told", None)
    older = seen(1.0, 0.0)
    found = tamiyo.not_conservative(older.model_copy(update={"modes": older.modes[1:]}), LIMITS)
    assert (found.reason, found.holds) == ("part-missing", None)


@pytest.mark.parametrize(
    ("loss", "delta", "risk", "reason"),
    [
        (0.2, 0.0, None, "within-limits"),
        (0.2, 0.15, 0.79, "within-limits"),  # a change is judged above, a risk from its limit on
        (0.2, 0.16, None, "loss-delta-high"),
        (0.2, 0.0, 0.8, "risk-high"),
        (10.0, 0.0, None, "within-limits"),
        (10.1, 0.0, None, "validation-loss-high"),
        (10.1, math.nan, None, "validation-loss-high"),
        (0.2, math.nan, None, "metric-missing"),
        (0.2, None, 0.2, "metric-missing"),
        (1e308, 0.2, 0.9, "validation-loss-high"),
        (0.2, 0.0, math.nan, "metric-missing"),
        (-math.inf, 0.0, None, "metric-missing"),
        (0.2, -math.inf, None, "metric-missing"),
        (math.inf, 0.0, None, "validation-loss-high"),
    ],
)
def test_what_tamiyo_decides_on_is_within_limits(
    loss: float, delta: float | None, risk: float | None, reason: str
) -> None:
    """Each value has its limit, and a risk that is not published is not judged."""
    pairs = {"validation_loss": loss, "loss_delta": delta, "blueprint.risk": risk}
    highest = tuple(reading(v, f"tamiyo.{name}") for name, v in pairs.items())
    for less in (highest[1:], highest[:1], highest[:2]):
        seen = Decisions(source=source("tamiyo"), highest=less)
        assert not tamiyo.within_limits(seen, LIMITS).holds
    found = tamiyo.within_limits(Decisions(source=source("tamiyo"), highest=highest), LIMITS)
    expected = None if reason == "metric-missing" else reason == "within-limits"
    assert (found.reason, found.holds) == (reason, expected)

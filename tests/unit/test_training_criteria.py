"""What the criteria of the training side say of values that were seen: each answer has been seen."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.esper.criteria import kasmina, leyline, simic, tamiyo, tolaria
from fixtures.esper.limits import EsperLimits
from fixtures.esper.seen.training import (
    Acknowledged,
    AlertAgreement,
    Conservative,
    Decisions,
    EnumValues,
    Epoch,
    EventSeen,
    Isolation,
    Kernels,
    PolicyStream,
    Reading,
    SourceSeen,
    TolariaHealth,
    TolariaRun,
    Training,
    Validation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS = EsperLimits()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def source(name: str = "tolaria", **more: Any) -> SourceSeen:
    """A source that is heard."""
    heard = {
        "source": name,
        "workload": "running",
        "read": 9,
        "packets": 3,
        "age_s": 0.5,
        "health": "HEALTHY",
    }
    return SourceSeen.model_validate({**heard, **more})


def reading(value: float | None, metric: str = "m") -> Reading:
    """What a packet says of a metric."""
    return Reading(metric=metric, value=value, packet="p", entry="1-0", age_s=0.5)


def event(name: str, **attributes: str) -> EventSeen:
    """An event."""
    return EventSeen(description=name, level="WARNING", attributes=attributes, packet="p", age_s=0.5)


def run(
    losses: Sequence[float | None] = (0.2,), latencies: Sequence[float | None] = (12.0,), **more: Any
) -> TolariaRun:
    """A run of these epochs."""
    count = max(len(losses), len(latencies))
    pairs = zip(
        [*losses, *[0.2] * (count - len(losses))],
        [*latencies, *[12.0] * (count - len(latencies))],
        strict=True,
    )
    epochs = [Epoch(packet="p", entry="1-0", loss=loss, latency_ms=ms) for loss, ms in pairs]
    return TolariaRun(source=source(**more), epochs=tuple(epochs), completed=True)


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
        (run(age_s=60.1), "stale"),
        (run(age_s=60.1, workload="window"), "loss-finite"),
        (run(age_s=None, packets=0), "absent"),
    ],
)
def test_the_loss_is_finite_and_fresh(seen: TolariaRun, reason: str) -> None:
    """A loss must be there, finite, and fresh where training runs."""
    found = tolaria.loss_is_finite(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "loss-finite")


@pytest.mark.parametrize(
    ("latencies", "workload", "slow"),
    [
        ([18.0] * 5, "running", False),  # at the limit is not above it
        ([18.1] * 3, "running", True),
        ([18.1, 18.1, 12.0, 18.1], "running", False),
        ([18.1] * 3 + [12.0], "running", False),  # over: the newest epochs count
        ([18.1] * 3 + [12.0], "idle", True),  # any streak of a run that is over
        ([None, 18.1, 18.1], "running", False),
        ([math.inf] * 3, "window", True),
    ],
)
def test_the_pace_is_judged_by_epochs_in_a_row(
    latencies: list[float | None], workload: str, *, slow: bool
) -> None:
    """So many epochs in a row above the limit are slow: the newest while it runs, any of a run that is over."""
    found = tolaria.pace_is_kept(run(latencies=latencies, workload=workload), LIMITS)
    assert (found.reason, found.holds) == ("epochs-slow" if slow else "pace-kept", not slow)


@given(st.lists(st.floats(0, 100), min_size=3, max_size=40))
def test_three_slow_epochs_at_the_end_are_found_after_any_others(latencies: list[float]) -> None:
    """Whatever came before, three slow epochs at the end are slow."""
    assert not tolaria.pace_is_kept(run(latencies=[*latencies, 19.0, 19.0, 19.0]), LIMITS).holds


@pytest.mark.parametrize(
    ("seeds", "health", "reason"),
    [
        (0.0, "HEALTHY", "well"),
        (2.0, "DEGRADED", "well"),
        (2.0, "UNHEALTHY", "unhealthy"),
        (2.0, "CRITICAL", "unhealthy"),
        (None, "HEALTHY", "seeds-not-reported"),
        (math.nan, "HEALTHY", "seeds-not-reported"),
    ],
)
def test_tolaria_feels_well(seeds: float | None, health: str, reason: str) -> None:
    """Seeds must be reported, and health neither UNHEALTHY nor CRITICAL."""
    seen = TolariaHealth(source=source(health=health), seeds=seeds, events=(event("zero_samples"),))
    found = tolaria.feels_well(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "well")


@pytest.mark.parametrize(
    ("active", "by_rule", "latencies", "reason"),
    [
        (False, (False,), (12.0,) * 3, "alert-agrees"),
        (True, (True,), (25.0,) * 3, "alert-agrees"),
        (False, (False,), (25.0,) * 3, "alert-quiet-on-slow-epochs"),
        (True, (False,), (12.0,) * 3, "alert-against-its-rule"),
        (False, (True,), (12.0,) * 3, "alert-against-its-rule"),
        (True, (False, True), (25.0, 25.0, 25.0, 12.0), "alert-agrees"),  # Nissa may be a moment behind
    ],
)
def test_the_alert_is_held_against_epochs_and_rule(
    active: bool,  # noqa: FBT001 - a case of the table
    by_rule: tuple[bool, ...],
    latencies: tuple[float, ...],
    reason: str,
) -> None:
    """An alert that is quiet on slow epochs, or is not what its rule makes of the packets, disagrees."""
    seen = AlertAgreement(
        workload="running",
        active=active,
        value=25.0 if active else None,
        by_rule=by_rule,
        latencies=latencies,
        reset_by="packet x of tamiyo (1-0)",
        looks=2,
    )
    found = tolaria.alert_agrees(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "alert-agrees")
    if reason == "alert-quiet-on-slow-epochs":
        assert "reset by packet x of tamiyo (1-0)" in found.details


def isolation(values: Sequence[float], acknowledged: Acknowledged | None = None, **more: Any) -> Isolation:
    """Kasmina's counter, newest first."""
    return Isolation(
        source=source("kasmina", **more),
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
    ],
)
def test_isolation_is_judged_by_rise_and_acknowledgement(
    values: list[float], given_: Acknowledged | None, reason: str
) -> None:
    """A counter that rises, or stands above what is acknowledged, is a breach; one that fell tells of a restart."""
    found = kasmina.isolation_kept(isolation(values, given_), LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "isolated")
    restarted = any(new < old for new, old in pairwise(values))
    assert any("Kasmina restarted" in line for line in found.details) == restarted


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_counter_above_nothing_acknowledged_never_passes(values: list[int]) -> None:
    """Whatever came before, a counter that is not 0 is no isolation unless somebody acknowledged it."""
    found = kasmina.isolation_kept(isolation([float(v) for v in values]), LIMITS)
    assert found.holds == (values[0] == 0)


@pytest.mark.parametrize(
    ("fetch", "fallbacks", "reason"),
    [
        (10.0, (), "kernels-in-time"),
        (10.1, (), "fetch-slow"),
        (None, (), "fallback-kernel"),
        (4.0, (event("fallback_applied"),), "fallback-kernel"),
    ],
)
def test_kernels_come_in_time_from_the_library(
    fetch: float | None, fallbacks: tuple[EventSeen, ...], reason: str
) -> None:
    """A slow fetch and a fallback are found, also where only the missing latency tells of it."""
    seen = Kernels(source=source("kasmina"), fetch=reading(fetch), fallbacks=fallbacks, looked_at=3)
    found = kasmina.kernels_in_time(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "kernels-in-time")


def test_conservative_mode_is_told_since_when_and_why() -> None:
    """The time is that of the first packet of the streak, a lower bound where it begins beyond what was read."""

    def seen(*modes: float) -> Conservative:
        readings = [
            reading(mode).model_copy(update={"age_s": float(n), "packet": f"p{n}"})
            for n, mode in enumerate(modes)
        ]
        reasons = (event("pause_triggered", loss_delta="0.200", conservative="true"),)
        return Conservative(
            source=source("tamiyo"), modes=tuple(readings), reasons=reasons, loss_delta=0.2, risk=None
        )

    on = tamiyo.not_conservative(seen(1.0, 1.0, 0.0, 1.0), LIMITS)
    assert not on.holds
    assert on.observed.startswith("1 for 1.0 s (packet p1")
    assert "pause_triggered conservative true, loss_delta 0.200 in p, 0.5 s ago" in on.details
    assert tamiyo.not_conservative(seen(1.0, 1.0), LIMITS).observed.startswith("1 for at least 1.0 s")
    assert tamiyo.not_conservative(seen(0.0, 1.0), LIMITS).holds


@pytest.mark.parametrize(
    ("loss", "delta", "risk", "reason"),
    [
        (0.2, 0.0, None, "within-limits"),
        (0.2, 0.15, 0.79, "within-limits"),  # a change is judged above, a risk from its limit on
        (0.2, 0.16, None, "loss-delta-high"),
        (0.2, 0.0, 0.8, "risk-high"),
        (10.1, 0.0, None, "validation-loss-high"),
        (1e308, 0.2, 0.9, "validation-loss-high"),
    ],
)
def test_what_tamiyo_decides_on_is_within_limits(
    loss: float, delta: float, risk: float | None, reason: str
) -> None:
    """Each value has its limit, and a risk that is not published is not judged."""
    pairs = {"validation_loss": loss, "loss_delta": delta, "blueprint.risk": risk}
    highest = tuple(reading(v, f"tamiyo.{name}") for name, v in pairs.items() if v is not None)
    found = tamiyo.within_limits(Decisions(source=source("tamiyo"), highest=highest), LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "within-limits")


@pytest.mark.parametrize(
    ("reward", "reason"), [(-0.5, "sound"), (math.nan, "not-finite"), (None, "metric-missing")]
)
def test_simic_trains_soundly(reward: float | None, reason: str) -> None:
    """Reward and loss must be there and finite."""
    seen = Training(source=source("simic"), readings=(reading(reward), reading(0.1)))
    assert simic.trains_soundly(seen, LIMITS).reason == reason


@pytest.mark.parametrize(
    ("passed", "lag", "more", "reason"),
    [
        (1.0, 0.0, {}, "validated"),
        (1.0, 59.0, {"workload": "idle"}, "validated"),
        (1.0, 61.0, {"workload": "idle"}, "validation-outcome-never-published"),
        (None, 61.0, {"packets": 0}, "validation-outcome-never-published"),
        (0.0, 0.0, {}, "validation-failed"),
        (0.5, 0.0, {}, "validation-failed"),
        (None, 0.0, {}, "not-validated"),
        (1.0, 0.0, {"age_s": 61.0}, "stale"),
    ],
)
def test_the_validation_is_told_and_passed(
    passed: float | None, lag: float, more: dict[str, Any], reason: str
) -> None:
    """Only a validation that passed, and that training has not left behind, holds."""
    seen = Validation(
        source=source("simic", **more),
        passed=passed,
        reasons="average_reward -0.5 below min 0; policy loss",
        training_age_s=1.0,
        lag_s=lag,
        pauses=2,
    )
    found = simic.validation_passed(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "validated")
    if reason == "validation-failed":
        assert "reason: policy loss" in found.details


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "policies-arrive"),
        ({"entry": "", "age_s": None}, "no-policy-update"),
        ({"problem": "signature-wrong"}, "policy-unusable"),
        ({"message_type": "TELEMETRY"}, "not-a-policy-update"),
        ({"age_s": 71.0, "simic_age_s": 1.0}, "policy-overtaken"),
        ({"age_s": 3601.0, "simic_age_s": None}, "policy-old"),
        ({"age_s": 3601.0, "simic_age_s": 3600.0, "workload": "idle"}, "policies-arrive"),
    ],
)
def test_policies_arrive(more: dict[str, Any], reason: str) -> None:
    """The newest entry must be a policy update, not old, and not overtaken by Simic's metrics."""
    seen = {
        "stream": "oona.policy",
        "workload": "running",
        "entry": "1-0",
        "problem": "",
        "message_type": "POLICY_UPDATE",
        "policy_id": "policy-demo",
        "age_s": 1.0,
        "simic_age_s": 1.1,
    }
    found = simic.policies_arrive(PolicyStream.model_validate({**seen, **more}), LIMITS)
    assert (found.reason, found.holds) == (reason, reason == "policies-arrive")


def test_unknown_enum_values_are_named() -> None:
    """Each unknown value is told with its place; without any, the check holds."""
    strange = EnumValues(
        messages=3, unknown=("t 1-0: TelemetryPacket.level = 9",), health_from=("tolaria: x",)
    )
    found = leyline.values_known(strange)
    assert (found.holds, found.details[0]) == (False, "t 1-0: TelemetryPacket.level = 9")
    assert leyline.values_known(strange.model_copy(update={"unknown": ()})).holds

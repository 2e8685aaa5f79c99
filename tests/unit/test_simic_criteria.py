"""What the criteria of Simic and of the contracts say of values that were seen."""

from __future__ import annotations

import math
from typing import Any

import pytest

from checks.esper.leyline import criteria as leyline
from checks.esper.simic import criteria as simic
from systems.esper.limits import EsperLimits
from systems.esper.training.models import EnumValues, PolicyStream, PolicyValidation, Reading, Training
from tests.unit.esper_seen import reading, source

LIMITS = EsperLimits()


def readings_of(reward: float | None, loss: float) -> tuple[Reading, ...]:
    """Simic's two metrics."""
    return reading(reward, "simic.training.reward"), reading(loss, "simic.training.loss")


@pytest.mark.parametrize("number", [0, 1])
def test_both_metrics_of_simic_are_looked_for(number: int) -> None:
    """One reading says nothing of the other."""
    readings = (readings_of(0.5, 0.1)[number],)
    found = simic.trains_soundly(Training(source=source("simic"), waiting_s=None, readings=readings), LIMITS)
    assert (found.reason, found.holds) == ("part-missing", None)


@pytest.mark.parametrize(
    ("reward", "waiting", "more", "reason"),
    [
        (-0.5, None, {}, "sound"),
        (math.nan, None, {}, "not-finite"),
        (None, None, {}, "metric-missing"),
        (0.5, None, {"age_s": 61.0}, "stale"),
        (0.5, 59.0, {"packets": 0, "age_s": None}, "too-early"),
        (0.5, 60.0, {"packets": 0, "age_s": None}, "too-early"),
        (0.5, 60.1, {"packets": 0, "age_s": None}, "absent"),
        (0.5, None, {"packets": 0, "age_s": None}, "absent"),
        (None, None, {"workload": "idle"}, "no-readings"),
    ],
)
def test_simic_trains_soundly(
    reward: float | None, waiting: float | None, more: dict[str, Any], reason: str
) -> None:
    """Reward and loss must be there and finite, once Simic has had the time to say anything."""
    readings = () if reason == "no-readings" else readings_of(reward, 0.1)
    seen = Training(source=source("simic", **more), waiting_s=waiting, readings=readings)
    found = simic.trains_soundly(seen, LIMITS)
    expected = None if reason in ("too-early", "no-readings") else reason == "sound"
    assert (found.reason, found.holds) == (reason, expected)


@pytest.mark.parametrize(
    ("passed", "lag", "more", "reason"),
    [
        (1.0, 0.0, {}, "validated"),
        (1.0, 60.0, {"workload": "idle"}, "validated"),
        (1.0, 61.0, {"workload": "idle"}, "validation-outcome-never-published"),
        (None, 61.0, {"packets": 0}, "validation-outcome-never-published"),
        (None, 60.0, {"packets": 0}, "too-early"),
        (1.0, math.nan, {}, "validation-outcome-never-published"),
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
    seen = PolicyValidation(
        source=source("simic", **more),
        passed=passed,
        reasons="average_reward -0.5 below min 0; policy loss",
        training_age_s=1.0,
        lag_s=lag,
        pauses=2,
    )
    found = simic.validation_passed(seen, LIMITS)
    expected = None if reason == "too-early" else reason == "validated"
    assert (found.reason, found.holds) == (reason, expected)
    if reason == "validation-failed":
        assert "reason: policy loss" in found.details


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "policies-arrive"),
        ({"entry": "", "age_s": None}, "no-policy-update"),
        ({"problem": "signature-wrong"}, "policy-unusable"),
        ({"message_type": "TELEMETRY"}, "not-a-policy-update"),
        ({"age_s": 61.0, "simic_age_s": 1.0}, "policies-arrive"),
        ({"age_s": 71.0, "simic_age_s": 1.0}, "policy-overtaken"),
        ({"age_s": 3600.0, "simic_age_s": None}, "policies-arrive"),
        ({"age_s": -60.0, "simic_age_s": None}, "policies-arrive"),
        ({"age_s": -60.1, "simic_age_s": None}, "ahead-of-the-clock"),
        ({"age_s": math.nan, "simic_age_s": None, "workload": "idle"}, "ahead-of-the-clock"),
        ({"age_s": math.nan}, "policy-overtaken"),
        ({"simic_age_s": math.nan}, "policy-overtaken"),
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
    expected = None if reason == "ahead-of-the-clock" else reason == "policies-arrive"
    assert (found.reason, found.holds) == (reason, expected)


@pytest.mark.parametrize(
    ("said", "reason", "holds"),
    [
        ({}, "values-known", True),
        ({"unknown": ("t 1-0: TelemetryPacket.level = 9",), "missing": ("x",)}, "unknown-enum-value", False),
        ({"missing": ("oona.normal is a string",)}, "stream-missing", None),
        ({"messages": {"t": 0}, "known": 0}, "no-messages", None),
        ({"known": 2}, "unknown-enum-value", False),  # whatever became of the line that names it
        ({"messages": {}, "known": 0}, "stream-missing", None),
        ({"names": ("t", "oona.normal")}, "stream-missing", None),
    ],
)
def test_unknown_enum_values_are_named(said: dict[str, Any], reason: str, *, holds: bool | None) -> None:
    """Each unknown value is told with its place; without any, the check holds where every stream was read."""
    seen = EnumValues(
        names=("t",), messages={"t": 3}, known=3, missing=(), unknown=(), health_from=("tolaria: x",)
    )
    found = leyline.values_known(seen.model_copy(update=said))
    assert (found.reason, found.holds) == (reason, holds)
    if "unknown" in said:
        assert found.details[0] == "t 1-0: TelemetryPacket.level = 9"

"""What must hold of Simic: its training is sound, its validation's outcome is told and good, its policies arrive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.esper.criteria.arrival import aged, silent
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.training import PolicyStream, Training, Validation

__all__ = ["policies_arrive", "trains_soundly", "validation_passed"]

_DIES = (
    "a failed validation blocks the policy update, and the program dies of it before it publishes the outcome: "
    "look at its console for 'Policy update blocked'"
)


def trains_soundly(seen: Training, limits: EsperLimits) -> Finding:
    """Reward and loss are present and finite."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    missing = [r for r in seen.readings if r.value is None]
    odd = [r for r in seen.readings if r.value is not None and not math.isfinite(r.value)]
    reason = "metric-missing" if missing else "not-finite" if odd else "sound"
    shown = ", ".join(f"{r.metric} {'missing' if r.value is None else f'{r.value:g}'}" for r in seen.readings)
    return Finding(
        holds=reason == "sound",
        reason=reason,
        expected="simic.training.reward and simic.training.loss present and finite",
        observed=f"{shown}; {aged(seen.source)}",
        details=(f"packet {seen.readings[0].packet} ({seen.readings[0].entry})",),
        limits=(limits.fresh.named("fresh"),),
    )


def validation_passed(seen: Validation, limits: EsperLimits) -> Finding:
    """Simic's newest word is that validation passed, and training is not newer than that by much."""
    training = "none seen" if seen.training_age_s is None else f"newest {seen.training_age_s:.1f} s old"
    expected = f"simic.validation.pass 1, not later than {limits.simic_lag} after training"
    if seen.lag_s > limits.simic_lag.value:
        since = "Simic's newest packet" if seen.source.packets else "training showed, and Simic never did"
        return Finding(
            holds=False,
            reason="validation-outcome-never-published",
            expected=expected,
            observed=f"validation outcome never published: {seen.lag_s:.1f} s from {since}; training {training}",
            details=(
                _DIES,
                f"Tamiyo paused {seen.pauses} times among the newest packets",
            ),
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if (found := silent(seen.source, limits)) is not None:
        return found
    reason = (
        "validated" if seen.passed == 1.0 else "not-validated" if seen.passed is None else "validation-failed"
    )
    told = {
        "validated": "simic.validation.pass 1",
        "not-validated": "the newest packet says nothing of a validation",
        "validation-failed": f"simic.validation.pass {seen.passed}: {seen.reasons or 'no reason told'}",
    }[reason]
    details = [f"reason: {text}" for text in seen.reasons.split("; ") if text]
    if reason != "validated":
        details.append(f"Tamiyo paused {seen.pauses} times among the newest packets")
    if seen.lag_s > 0:
        details.append(f"training is {seen.lag_s:.1f} s newer than this: what came of that is not told yet")
    return Finding(
        holds=reason == "validated",
        reason=reason,
        expected=expected,
        observed=f"{told}; {aged(seen.source)}, training {training}",
        details=tuple(details),
        limits=(limits.simic_lag.named("simic_lag"),),
    )


def policies_arrive(seen: PolicyStream, limits: EsperLimits) -> Finding:
    """The newest entry of the policy stream is a policy update, and neither old nor overtaken by Simic's metrics."""
    age = 0.0 if seen.age_s is None else seen.age_s
    overtaken = 0.0 if seen.simic_age_s is None or seen.age_s is None else age - seen.simic_age_s
    if not seen.entry:
        reason, told = "no-policy-update", f"{seen.stream} is empty, and Simic has trained"
    elif seen.problem:
        reason, told = "policy-unusable", f"the newest entry is {seen.problem}; see E-OON-6"
    elif seen.message_type != "POLICY_UPDATE":
        reason, told = (
            "not-a-policy-update",
            f"the newest entry is a {seen.message_type}; Tamiyo does not check",
        )
    elif overtaken > limits.simic_lag.value:
        reason, told = (
            "policy-overtaken",
            f"Simic's newest metrics are {overtaken:.1f} s newer than its newest policy",
        )
    elif seen.workload == "running" and age > limits.policy_age.value:
        reason, told = "policy-old", "nothing newer"
    else:
        reason, told = "policies-arrive", f"policy {seen.policy_id}"
    return Finding(
        holds=reason == "policies-arrive",
        reason=reason,
        expected=f"a policy update on {seen.stream}, not older than {limits.policy_age} while training runs",
        observed=f"{told}{f'; {age:.1f} s old ({seen.entry})' if seen.entry else ''}",
        details=(
            "an update that arrives changes Tamiyo's version, and none of its weights: the two models share no key",
            *(("a blocked update is never published: see E-SIM-2",) if reason == "policy-overtaken" else ()),
        ),
        limits=(limits.policy_age.named("policy_age"), limits.simic_lag.named("simic_lag")),
    )

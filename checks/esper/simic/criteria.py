"""What must hold of Simic: its training is sound, its validation's outcome is told and good, its policies arrive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.esper.training.arrival import aged, silent
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import PolicyStream, PolicyValidation, Training

__all__ = ["policies_arrive", "trains_soundly", "validation_passed"]

_METRICS = {"simic.training.reward", "simic.training.loss"}

_DIES = (
    "a failed validation blocks the policy update, and the program dies of it before it publishes the outcome: "
    "look at its console for 'Policy update blocked'"
)


def trains_soundly(seen: Training, limits: EsperLimits) -> Finding:
    """Reward and loss are present and finite."""
    # Simic speaks once a training has ended: where nothing of it shows, it must have had the time.
    early = first_of(
        unknown("too-early", seen.waiting_s is not None and seen.waiting_s <= limits.simic_lag.value),
        ok="had-time",
    )
    if not early.holds:
        return early.finding(
            expected="simic.training.reward and simic.training.loss",
            observed=f"nothing of Simic yet, {seen.waiting_s or 0.0:.1f} s after training showed",
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if (found := silent(seen.source, limits)) is not None:
        return found
    missing = [r for r in seen.readings if r.value is None]
    odd = [r for r in seen.readings if r.value is not None and not math.isfinite(r.value)]
    shown = ", ".join(f"{r.metric} {'missing' if r.value is None else f'{r.value:g}'}" for r in seen.readings)
    return first_of(
        fail("metric-missing", missing),
        fail("not-finite", odd),
        unknown("no-readings", not seen.readings),
        unknown("part-missing", _METRICS - {r.metric for r in seen.readings}),
        ok="sound",
    ).finding(
        expected="simic.training.reward and simic.training.loss present and finite",
        observed=f"{shown or 'nothing'}; {aged(seen.source)}",
        details=tuple(f"packet {r.packet} ({r.entry})" for r in seen.readings[:1]),
        limits=(limits.fresh.named("fresh"),),
    )


def validation_passed(seen: PolicyValidation, limits: EsperLimits) -> Finding:
    """Simic's newest word is that validation passed, and training is not newer than that by much."""
    training = "none seen" if seen.training_age_s is None else f"newest {seen.training_age_s:.1f} s old"
    expected = f"simic.validation.pass 1, not later than {limits.simic_lag} after training"
    told = first_of(
        fail("validation-outcome-never-published", not seen.lag_s <= limits.simic_lag.value),
        unknown("too-early", not seen.source.packets),
        ok="told",
    )
    if told.holds is False:
        since = "Simic's newest packet" if seen.source.packets else "training showed, and Simic never did"
        return told.finding(
            expected=expected,
            observed=f"validation outcome never published: {seen.lag_s:.1f} s from {since}; training {training}",
            details=(
                _DIES,
                f"Tamiyo paused {seen.pauses} times among the newest packets",
            ),
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if told.holds is None:
        return told.finding(
            expected=expected,
            observed=f"nothing of Simic yet, {seen.lag_s:.1f} s after training showed; training {training}",
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if (found := silent(seen.source, limits)) is not None:
        return found
    judged = first_of(
        fail("not-validated", seen.passed is None),
        fail("validation-failed", seen.passed != 1.0),
        ok="validated",
    )
    outcome = "the newest packet says nothing of a validation"
    if seen.passed is not None:
        outcome = f"simic.validation.pass {seen.passed:g}"
        outcome += "" if judged.holds else f": {seen.reasons or 'no reason told'}"
    details = [f"reason: {text}" for text in seen.reasons.split("; ") if text]
    if not judged.holds:
        details.append(f"Tamiyo paused {seen.pauses} times among the newest packets")
    if seen.lag_s > 0:
        details.append(f"training is {seen.lag_s:.1f} s newer than this: what came of that is not told yet")
    return judged.finding(
        expected=expected,
        observed=f"{outcome}; {aged(seen.source)}, training {training}",
        details=tuple(details),
        limits=(limits.simic_lag.named("simic_lag"),),
    )


def policies_arrive(seen: PolicyStream, limits: EsperLimits) -> Finding:
    """The newest entry of the policy stream is a policy update, and neither old nor overtaken by Simic's metrics."""
    age, most = seen.age_s, limits.policy_age.value
    overtaken = 0.0 if seen.simic_age_s is None or age is None else age - seen.simic_age_s
    judged = first_of(
        fail("no-policy-update", not seen.entry),
        fail("policy-unusable", seen.problem),
        fail("not-a-policy-update", seen.message_type != "POLICY_UPDATE"),
        fail("policy-overtaken", not overtaken <= limits.simic_lag.value),
        fail("policy-old", seen.workload == "running" and age is not None and not age <= most),
        unknown("ahead-of-the-clock", age is None or not age >= -limits.fresh.value),
        ok="policies-arrive",
    )
    told = {
        "no-policy-update": f"{seen.stream} is empty, and Simic has trained",
        "policy-unusable": f"the newest entry is {seen.problem}; see E-OON-6",
        "not-a-policy-update": f"the newest entry is a {seen.message_type}; Tamiyo does not check",
        "policy-overtaken": f"Simic's newest metrics are {overtaken:.1f} s newer than its newest policy",
        "policy-old": "nothing newer",
    }.get(judged.reason, f"policy {seen.policy_id}")
    return judged.finding(
        expected=f"a policy update on {seen.stream}, not older than {limits.policy_age} while training runs",
        observed=f"{told}{f'; {age or 0.0:.1f} s old ({seen.entry})' if seen.entry else ''}",
        details=(
            "an update that arrives changes Tamiyo's version, and none of its weights: the two models share no key",
            *(
                ("a blocked update is never published: see E-SIM-2",)
                if judged.reason == "policy-overtaken"
                else ()
            ),
        ),
        limits=(
            limits.policy_age.named("policy_age"),
            limits.simic_lag.named("simic_lag"),
            limits.fresh.named("fresh"),
        ),
    )

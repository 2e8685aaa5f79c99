"""Criteria of Simic: reward and loss of its training, its validation, its policy updates."""

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
    "a failed validation blocks the policy update, and the program exits on it before it publishes the outcome: "
    "search its console for 'Policy update blocked'"
)


def trains_soundly(training: Training, limits: EsperLimits) -> Finding:
    """Reward and loss are present and finite."""
    # Simic publishes only after a training has ended: without a packet of it, that must have had time to come.
    early = first_of(
        unknown("too-early", training.waiting_s is not None and training.waiting_s <= limits.simic_lag.value),
        ok="had-time",
    )
    if not early.holds:
        return early.finding(
            expected="simic.training.reward and simic.training.loss",
            observed=f"no packet of simic yet, {training.waiting_s or 0.0:.1f} s after training telemetry",
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if (finding := silent(training.source, limits)) is not None:
        return finding
    missing = [r for r in training.readings if r.value is None]
    not_finite = [r for r in training.readings if r.value is not None and not math.isfinite(r.value)]
    shown = ", ".join(
        f"{r.metric} {'missing' if r.value is None else f'{r.value:g}'}" for r in training.readings
    )
    return first_of(
        fail("metric-missing", missing),
        fail("not-finite", not_finite),
        unknown("no-readings", not training.readings),
        unknown("part-missing", _METRICS - {r.metric for r in training.readings}),
        ok="sound",
    ).finding(
        expected="simic.training.reward and simic.training.loss present and finite",
        observed=f"{shown or 'nothing'}; {aged(training.source)}",
        details=tuple(f"packet {r.packet} ({r.entry})" for r in training.readings[:1]),
        limits=(limits.fresh.named("fresh"),),
    )


def validation_passed(validation: PolicyValidation, limits: EsperLimits) -> Finding:
    """Simic's newest packet says that validation passed, and training is not much newer than that packet."""
    training = (
        "no packet of tolaria"
        if validation.training_age_s is None
        else f"newest packet of tolaria {validation.training_age_s:z.1f} s old"
    )
    expected = f"simic.validation.pass 1, published within {limits.simic_lag} after training"
    published = first_of(
        fail("validation-outcome-never-published", not validation.lag_s <= limits.simic_lag.value),
        unknown("too-early", not validation.source.packets),
        ok="told",
    )
    if published.holds is False:
        late = (
            f"training is {validation.lag_s:.1f} s newer than the newest packet of simic"
            if validation.source.packets
            else f"no packet of simic {validation.lag_s:.1f} s after training telemetry"
        )
        return published.finding(
            expected=expected,
            observed=f"validation outcome not published: {late}; {training}",
            details=(
                _DIES,
                f"pause_triggered events of tamiyo in the newest packets: {validation.pauses}",
            ),
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if published.holds is None:
        return published.finding(
            expected=expected,
            observed=f"no packet of simic yet, {validation.lag_s:.1f} s after training telemetry; {training}",
            limits=(limits.simic_lag.named("simic_lag"),),
        )
    if (finding := silent(validation.source, limits)) is not None:
        return finding
    judged = first_of(
        fail("not-validated", validation.passed is None),
        fail("validation-failed", validation.passed != 1.0),
        ok="validated",
    )
    outcome = "the newest packet has no simic.validation.pass"
    if validation.passed is not None:
        outcome = f"simic.validation.pass {validation.passed:g}"
        outcome += "" if judged.holds else f": {validation.reasons or 'no reason published'}"
    details = [f"reason: {text}" for text in validation.reasons.split("; ") if text]
    if not judged.holds:
        details.append(f"pause_triggered events of tamiyo in the newest packets: {validation.pauses}")
    if validation.lag_s > 0:
        details.append(
            f"training is {validation.lag_s:.1f} s newer than this packet: its own outcome is not published yet"
        )
    return judged.finding(
        expected=expected,
        observed=f"{outcome}; {aged(validation.source)}; {training}",
        details=tuple(details),
        limits=(limits.simic_lag.named("simic_lag"),),
    )


def policies_arrive(policies: PolicyStream, limits: EsperLimits) -> Finding:
    """The newest entry of the policy stream is a policy update, not too old, and not older than Simic's metrics by much."""
    age, most = policies.age_s, limits.policy_age.value
    overtaken = 0.0 if policies.simic_age_s is None or age is None else age - policies.simic_age_s
    judged = first_of(
        fail("no-policy-update", not policies.entry),
        fail("policy-unusable", policies.problem),
        fail("not-a-policy-update", policies.message_type != "POLICY_UPDATE"),
        fail("policy-overtaken", not overtaken <= limits.simic_lag.value),
        fail("policy-old", policies.workload == "running" and age is not None and not age <= most),
        unknown("ahead-of-the-clock", age is None or not age >= -limits.fresh.value),
        ok="policies-arrive",
    )
    outcome = {
        "no-policy-update": f"{policies.stream} is empty, although Simic has trained",
        "policy-unusable": f"the newest entry is {policies.problem}; see E-OON-6",
        "not-a-policy-update": f"the newest entry is a {policies.message_type}, not a POLICY_UPDATE; Tamiyo does not check the type",
        "policy-overtaken": f"Simic's newest metrics are {overtaken:.1f} s newer than its newest policy update",
        "policy-old": f"policy {policies.policy_id} is the newest update",
    }.get(judged.reason, f"policy {policies.policy_id}")
    return judged.finding(
        expected=f"a policy update on {policies.stream}, not older than {limits.policy_age} while training runs",
        observed=f"{outcome}{f'; {_age(age or 0.0)} ({policies.entry})' if policies.entry else ''}",
        details=(
            "a policy update raises Tamiyo's policy version and loads no weights: the two models share no state_dict key",
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


def _age(age_s: float) -> str:
    return f"{-age_s:.1f} s ahead of Redis's clock" if age_s < 0 else f"{age_s:z.1f} s old"

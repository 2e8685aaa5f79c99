"""Observations of Simic: training metrics, outcome of its validation, policy updates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import PolicyStream, PolicyValidation, Training
from systems.esper.training.readings import events_of, read_telemetry, reading_of, refuse_ahead, source_of
from systems.esper.training.telemetry import milliseconds

if TYPE_CHECKING:
    from systems.esper.training.telemetry import Telemetry

__all__ = ["policy_updates", "policy_validation", "simic_training"]

SOURCE = "simic"
PASS, FAILED = "simic.validation.pass", "Simic policy validation failed"
_POLICIES = 5  # a policy update weighs 164 kB
_SHARED = 100


@observation(of="redis", deadline=seconds(8))
async def simic_training(esper: EsperClient) -> Training:
    """Simic's reward and loss in its newest packet."""
    telemetry = await read_telemetry(esper)
    packets = telemetry.of(SOURCE)
    source = source_of(esper, telemetry, SOURCE, packets)
    metrics = ("simic.training.reward", "simic.training.loss")
    readings = [reading_of(telemetry, p, metric) for p in packets[-1:] for metric in metrics]
    waiting = telemetry.of("tolaria") and not packets
    return Training(
        source=source,
        waiting_s=_lag_s(esper, telemetry) if waiting else None,
        readings=tuple(readings),
    )


@observation(of="redis", deadline=seconds(8))
async def policy_validation(esper: EsperClient) -> PolicyValidation:
    """Outcome of Simic's validation, and by how much training is newer."""
    telemetry = await read_telemetry(esper)
    packets, trained = telemetry.of(SOURCE), [p.at_ms for p in telemetry.of("tolaria")]
    if not packets and not trained:
        source_of(esper, telemetry, SOURCE, packets)
        raise Unobservable(ErrorKind.EMPTY, "no packet of tolaria or simic in the newest telemetry")
    # Without a packet of Simic the finding is judged by how long training has been waiting for one.
    source = source_of(esper, telemetry, SOURCE, packets or telemetry.of("tolaria"))
    newest = packets[-1] if packets else None
    passed = newest.metrics.get(PASS) if newest else None
    if passed is not None and math.isnan(passed):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{PASS} is NaN in entry {source.entry}")
    failures = events_of(telemetry, packets[-1:], FAILED)
    return PolicyValidation(
        source=source if packets else source.model_copy(update={"source": SOURCE, "packets": 0}),
        passed=passed,
        reasons=failures[0].attributes.get("reasons", "") if failures else "",
        training_age_s=(telemetry.now_ms - max(trained)) / 1000 if trained else None,
        lag_s=_lag_s(esper, telemetry),
        pauses=len(events_of(telemetry, telemetry.of("tamiyo"), "pause_triggered")),
    )


@observation(of="redis", deadline=seconds(8))
async def policy_updates(esper: EsperClient) -> PolicyStream:
    """The newest entry of the policy stream, and the age of Simic's newest packet."""
    streams = esper.section.streams
    shared = streams.policy in (streams.normal, streams.telemetry)
    entries = await esper.bus.newest("policy", _SHARED if shared else _POLICIES)
    telemetry = await esper.bus.telemetry()
    simic = telemetry.of(SOURCE)[-1:]
    if shared:
        entries = tuple(e for e in entries if e.decoded.message_type == "POLICY_UPDATE")
    if not entries and (shared or not simic):
        message = f"no policy update on {streams.policy}, and no packet of simic that should have led to one"
        raise Unobservable(
            ErrorKind.EMPTY,
            message
            if not shared
            else f"no policy update among the newest {_SHARED} entries of {streams.policy}",
        )
    newest = entries[0] if entries else None
    if newest is not None:
        refuse_ahead(newest.id, streams.policy, telemetry.now_ms)
    return PolicyStream(
        stream=streams.policy,
        workload=esper.section.workload,
        entry=newest.id if newest else "",
        problem=newest.decoded.problem if newest else "",
        message_type=newest.decoded.message_type if newest else "",
        policy_id=newest.decoded.packet_id[:80] if newest else "",
        age_s=(telemetry.now_ms - milliseconds(newest.id)) / 1000 if newest else None,
        simic_age_s=simic[-1].age_s(telemetry.now_ms) if simic else None,
    )


def _lag_s(esper: EsperClient, telemetry: Telemetry) -> float:
    """Seconds by which training is newer than Simic's newest packet, or since when it has been waiting for a first one."""
    trained, published = [p.at_ms for p in telemetry.of("tolaria")], [p.at_ms for p in telemetry.of(SOURCE)]
    if not trained:
        return 0.0
    if published:
        return max(0.0, (max(trained) - max(published)) / 1000)
    since = min(trained) if esper.section.workload == "running" else max(trained)
    return (telemetry.now_ms - since) / 1000

"""Observations of Tolaria: epochs, health, and Nissa's latency alert beside the epochs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import AlertAgreement, Epoch, HealthTold, TolariaHealth, TolariaRun
from systems.esper.training.readings import events_of, read_telemetry, source_of
from systems.esper.training.telemetry import LATENCY, LOSS, is_completion, is_epoch, milliseconds, runs

if TYPE_CHECKING:
    from systems.esper.training.telemetry import Telemetry

__all__ = ["latency_alert", "tolaria_health", "tolaria_run"]

SOURCE, ALERT, SEEDS = "tolaria", "training_latency_high", "tolaria.seeds.active"
RULE_MS, RULE_PACKETS = 18.0, 3
"""Nissa's own alert rule, which no target can set: latency above RULE_MS in RULE_PACKETS packets in a row."""
_MOST_EPOCHS = 200


@observation(of="redis", deadline=seconds(8))
async def tolaria_run(esper: EsperClient) -> TolariaRun:
    """Tolaria's epochs with loss and latency."""
    return _run(esper, await read_telemetry(esper))


@observation(of="redis", deadline=seconds(8))
async def tolaria_health(esper: EsperClient) -> TolariaHealth:
    """Tolaria's active seeds and health in the judged epochs, with their events."""
    telemetry = await read_telemetry(esper)
    packets = [p for p in telemetry.of(SOURCE) if is_epoch(p) or is_completion(p)]
    source = source_of(esper, telemetry, SOURCE, packets)
    # A completion packet always says HEALTHY; the run is judged by its epochs.
    judged = packets if source.workload == "running" else [*runs(packets), []][-2]
    epochs = [p for p in judged if is_epoch(p)][-_MOST_EPOCHS:] or packets[-1:]
    judged = epochs[-1:] if source.workload == "running" else epochs
    names = ("zero_samples", "latency_high", "epoch_hook_latency_high")
    return TolariaHealth(
        source=source,
        count=len(judged),
        told=tuple(
            HealthTold(
                packet=p.message.packet_id[:80],
                entry=p.entry,
                health=p.message.health,
                summary=p.message.summary,
                indicators=p.message.indicators,
                seeds=p.metrics.get(SEEDS),
            )
            for p in judged
        ),
        events=events_of(telemetry, judged, *names),
    )


@observation(of=("nissa", "redis"), deadline=seconds(12))
async def latency_alert(esper: EsperClient) -> AlertAgreement:
    """Nissa's latency alert beside the epochs; sampled again if it contradicts Nissa's own rule."""
    agreement = await _agreement(esper, looks=1)
    if agreement.active not in agreement.by_rule:
        await asyncio.sleep(min(esper.section.limits.settle.duration, seconds(5)).total_seconds())
        agreement = await _agreement(esper, looks=2)
    return agreement


async def _agreement(esper: EsperClient, *, looks: int) -> AlertAgreement:
    alerts, _ = await esper.nissa.summary()  # first: the stream read afterwards holds all that Nissa has had
    telemetry = await read_telemetry(esper, fresh=True)
    run = _run(esper, telemetry)
    if not run.epochs:
        raise Unobservable(ErrorKind.EMPTY, f"no epochs of {SOURCE} to compare the alert with; see E-TOL-1")
    active = next((a for a in alerts if a.name == ALERT), None)
    behind_ms = int(esper.section.limits.settle.value * 1000)
    return AlertAgreement(
        workload=esper.section.workload,
        active=active is not None,
        value=active.value if active else None,
        by_rule=_by_rule(telemetry, behind_ms),
        epochs=run.count,
        latencies=tuple(e.latency_ms for e in run.epochs),
        behind=sum(milliseconds(e.entry) > telemetry.now_ms - behind_ms for e in run.epochs),
        reset_by=_reset_by(telemetry, run.epochs[-1].entry),
        looks=looks,
    )


def _by_rule(telemetry: Telemetry, behind_ms: int) -> tuple[bool, ...]:
    """Possible states of the alert, with Nissa anywhere between the stream's end and `behind_ms` before it."""
    in_a_row, active, possible = 0, False, set[bool]()
    for packet in telemetry.packets:
        if packet.at_ms > telemetry.now_ms - behind_ms:
            possible.add(active)
        if packet.metrics:
            in_a_row = in_a_row + 1 if packet.metrics.get(LATENCY, 0.0) > RULE_MS else 0
            active = in_a_row >= RULE_PACKETS
    return tuple(sorted({*possible, active}))


def _reset_by(telemetry: Telemetry, entry: str) -> str:
    """The first packet beyond `entry` that resets the alert: one with metrics, and without a slow latency."""
    beyond = False
    for packet in telemetry.packets:
        if beyond and packet.metrics and not packet.metrics.get(LATENCY, 0.0) > RULE_MS:
            return f"packet {packet.message.packet_id[:80]} of {packet.source[:80]} ({packet.entry})"
        beyond = beyond or packet.entry == entry
    return ""


def _run(esper: EsperClient, telemetry: Telemetry) -> TolariaRun:
    packets = [p for p in telemetry.of(SOURCE) if is_epoch(p) or is_completion(p)]
    source = source_of(esper, telemetry, SOURCE, packets)
    last = packets if source.workload == "running" else [*runs(packets), []][-2]
    judged = [p for p in last if is_epoch(p)][-_MOST_EPOCHS:]
    if packets and not judged:
        message = f"of the last run of {SOURCE} only the completion packet is among the newest {telemetry.read} entries"
        raise Unobservable(ErrorKind.EMPTY, message)
    return TolariaRun(
        source=source,
        count=len(judged),
        epochs=tuple(
            Epoch(
                packet=p.message.packet_id[:80],
                entry=p.entry,
                loss=p.metrics.get(LOSS),
                latency_ms=p.metrics.get(LATENCY),
            )
            for p in judged
        ),
        completed=bool(packets) and is_completion(packets[-1]),
    )

"""Observations of Kasmina: isolation violations and kernel fetches. The real program publishes neither."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import MOST_READINGS, Acknowledged, Isolation, KernelLoad, Kernels
from systems.esper.training.readings import events_of, read_telemetry, reading_of, source_of, usable

if TYPE_CHECKING:
    from systems.esper.training.telemetry import Packet, Telemetry

__all__ = ["isolation", "kernels"]

SOURCE = "kasmina"
VIOLATIONS, FETCH = "kasmina.isolation.violations", "kasmina.kernel.fetch_latency_ms"


@observation(of="redis", deadline=seconds(8))
async def isolation(esper: EsperClient) -> Isolation:
    """Kasmina's count of isolation violations, and what the target acknowledges."""
    telemetry = await read_telemetry(esper)
    packets = [p for p in _packets_of(telemetry) if VIOLATIONS in p.metrics]
    if not packets:
        raise Unobservable(ErrorKind.EMPTY, f"packets of {SOURCE} have no {VIOLATIONS}")
    newest = [reading_of(telemetry, p, VIOLATIONS) for p in reversed(packets)][:MOST_READINGS]
    for reading in newest:
        usable(reading)
    acknowledged = esper.section.isolation
    return Isolation(
        source=source_of(esper, telemetry, SOURCE, packets),
        at=datetime.fromtimestamp(telemetry.now_ms / 1000, UTC),
        readings=tuple(newest),
        recorded=events_of(telemetry, packets, "violation_recorded"),
        seeds=tuple(
            f"{e.attributes.get('seed_id', '?')} {e.attributes.get('stage', '?')}"
            for e in events_of(telemetry, packets[-1:], "seed_stage")
        ),
        acknowledged=Acknowledged(
            count=acknowledged.count, owner=acknowledged.owner, expires=acknowledged.expires
        )
        if acknowledged
        else None,
    )


@observation(of="redis", deadline=seconds(8))
async def kernels(esper: EsperClient) -> Kernels:
    """Fetch latency of Kasmina's newest kernels, and fallbacks."""
    telemetry = await read_telemetry(esper)
    packets = _packets_of(telemetry)
    loads = [
        KernelLoad(
            fetch=reading_of(telemetry, p, FETCH), fallbacks=events_of(telemetry, [p], "fallback_applied")
        )
        for p in reversed(packets[-MOST_READINGS:])
    ]
    if loads[0].fetch.value is not None:
        usable(loads[0].fetch)
    return Kernels(source=source_of(esper, telemetry, SOURCE, packets), loads=tuple(loads))


def _packets_of(telemetry: Telemetry) -> list[Packet]:
    packets = telemetry.of(SOURCE)
    if not packets:
        message = f"no packet of {SOURCE} among the newest {telemetry.read} entries of {telemetry.stream}"
        raise Unobservable(ErrorKind.NOT_PUBLISHED, f"{message}; the real program publishes none")
    return packets

"""What is observed of Kasmina, where the target publishes it at all: the real program does not."""

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
    packets = [p for p in _published(telemetry) if VIOLATIONS in p.metrics]
    if not packets:
        raise Unobservable(ErrorKind.EMPTY, f"packets of {SOURCE} come without {VIOLATIONS}")
    newest = [reading_of(telemetry, p, VIOLATIONS) for p in reversed(packets)][:MOST_READINGS]
    for reading in newest:
        usable(reading)
    given = esper.section.isolation
    return Isolation(
        source=source_of(esper, telemetry, SOURCE, packets),
        at=datetime.fromtimestamp(telemetry.now_ms / 1000, UTC),
        readings=tuple(newest),
        recorded=events_of(telemetry, packets, "violation_recorded"),
        seeds=tuple(
            f"{e.attributes.get('seed_id', '?')} {e.attributes.get('stage', '?')}"
            for e in events_of(telemetry, packets[-1:], "seed_stage")
        ),
        acknowledged=Acknowledged(count=given.count, owner=given.owner, expires=given.expires)
        if given
        else None,
    )


@observation(of="redis", deadline=seconds(8))
async def kernels(esper: EsperClient) -> Kernels:
    """How long Kasmina's newest kernels took to fetch, and where it had to fall back."""
    telemetry = await read_telemetry(esper)
    packets = _published(telemetry)
    loads = [
        KernelLoad(
            fetch=reading_of(telemetry, p, FETCH), fallbacks=events_of(telemetry, [p], "fallback_applied")
        )
        for p in reversed(packets[-MOST_READINGS:])
    ]
    if loads[0].fetch.value is not None:
        usable(loads[0].fetch)
    return Kernels(source=source_of(esper, telemetry, SOURCE, packets), loads=tuple(loads))


def _published(telemetry: Telemetry) -> list[Packet]:
    packets = telemetry.of(SOURCE)
    if not packets:
        told = f"no packet of {SOURCE} among the newest {telemetry.read} entries of {telemetry.stream}; the program has no "
        raise Unobservable(ErrorKind.NOT_PUBLISHED, f"{told}way to send them")
    return packets

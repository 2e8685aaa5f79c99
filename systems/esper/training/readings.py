"""From a reading of the telemetry stream to what is seen of one source: what the observations of training share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from systems.esper.training.models import EventSeen, Reading, SourceSeen
from systems.esper.training.telemetry import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from systems.esper.client import EsperClient
    from systems.esper.training.telemetry import Packet, Telemetry

__all__ = ["events_of", "read_telemetry", "reading_of", "refuse_ahead", "source_of", "usable"]

_MOST_EVENTS = 20
_AHEAD_S = 5.0


async def read_telemetry(esper: EsperClient, *, fresh: bool = False) -> Telemetry:
    """The newest telemetry; `fresh` is read now, and not shared with who asked a moment ago.

    Raises:
        Unobservable: there is none that can be used, or its age cannot be told.
    """
    found = await esper.bus.telemetry(fresh=fresh)
    if not found.packets:
        told = f"no telemetry packet that a consumer would take among the newest {found.read} entries of {found.stream}"
        raise Unobservable(ErrorKind.EMPTY, f"{told}; see E-OON-1, E-OON-6")
    refuse_ahead(found.packets[-1].entry, found.stream, found.now_ms)
    return found


def refuse_ahead(entry: str, stream: str, now_ms: int) -> None:
    """See that an entry is not of the future.

    Raises:
        Unobservable: it is ahead of the clock of the very Redis that gave it its id.
    """
    ahead_s = (milliseconds(entry) - now_ms) / 1000
    if ahead_s > _AHEAD_S:
        told = f"entry {entry} of {stream} is {ahead_s:.0f} s ahead of Redis's clock"
        raise Unobservable(ErrorKind.PRECONDITION, f"{told}, which was set back: no age can be told")


def source_of(esper: EsperClient, telemetry: Telemetry, source: str, packets: Sequence[Packet]) -> SourceSeen:
    """How a source shows itself by its `packets`, newest last.

    Raises:
        Unobservable: it does not show, and nothing has to be arriving now.
    """
    others = tuple(sorted({p.source[:80] for p in telemetry.packets} - {source}))[:_MOST_EVENTS]
    workload = esper.section.workload
    if not packets:
        if workload != "running":
            told = f"no packet of {source} among the newest {telemetry.read} entries of {telemetry.stream}"
            raise Unobservable(ErrorKind.EMPTY, f"{told} (sources there: {', '.join(others) or 'none'})")
        return SourceSeen(
            source=source,
            workload=workload,
            read=telemetry.read,
            packets=0,
            age_s=None,
            entry="",
            health="",
            summary="",
            indicators={},
            others=others,
        )
    newest = packets[-1]
    return SourceSeen(
        source=source,
        workload=workload,
        read=telemetry.read,
        packets=len(packets),
        age_s=newest.age_s(telemetry.now_ms),
        entry=newest.entry,
        health=newest.said.health,
        summary=newest.said.summary,
        indicators=newest.said.indicators,
        others=others,
    )


def reading_of(telemetry: Telemetry, packet: Packet, metric: str) -> Reading:
    """What one packet says of a metric."""
    return Reading(
        metric=metric,
        value=packet.metrics.get(metric),
        packet=packet.said.packet_id[:80],
        entry=packet.entry,
        age_s=packet.age_s(telemetry.now_ms),
    )


def usable(reading: Reading) -> float:
    """The value of a reading that can be held against a limit.

    Raises:
        Unobservable: it is missing, or no number that can be compared.
    """
    if reading.value is None or math.isnan(reading.value) or reading.value == -math.inf:
        seen = "missing" if reading.value is None else reading.value
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY,
            f"{reading.metric} is {seen} in packet {reading.packet} ({reading.entry})",
        )
    return reading.value


def events_of(telemetry: Telemetry, packets: Iterable[Packet], *names: str) -> tuple[EventSeen, ...]:
    """The events of these names in the packets, newest packet first, the first twenty."""
    found = [
        EventSeen(
            description=event.description,
            level=event.level,
            attributes=event.attributes,
            packet=packet.said.packet_id[:80],
            age_s=packet.age_s(telemetry.now_ms),
        )
        for packet in reversed(list(packets))
        for event in packet.said.events
        if event.description in names
    ]
    return tuple(found[:_MOST_EVENTS])

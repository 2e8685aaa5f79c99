"""From the telemetry stream to the observed values of one source; shared by the training side's observations."""

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
    """The newest telemetry; `fresh` reads it now, instead of sharing a reading of a moment ago.

    Raises:
        Unobservable: there is none that can be used, or its age is unknown.
    """
    telemetry = await esper.bus.telemetry(fresh=fresh)
    if not telemetry.packets:
        message = f"no telemetry packet that a consumer would accept among the newest {telemetry.read} entries of {telemetry.stream}"
        raise Unobservable(ErrorKind.EMPTY, f"{message}; see E-OON-1, E-OON-6")
    refuse_ahead(telemetry.packets[-1].entry, telemetry.stream, telemetry.now_ms)
    return telemetry


def refuse_ahead(entry: str, stream: str, now_ms: int) -> None:
    """Check that an entry is not in the future.

    Raises:
        Unobservable: its id is ahead of the clock of the Redis that assigned it.
    """
    ahead_s = (milliseconds(entry) - now_ms) / 1000
    if ahead_s > _AHEAD_S:
        message = f"entry {entry} of {stream} is {ahead_s:.0f} s ahead of Redis's clock"
        raise Unobservable(ErrorKind.PRECONDITION, f"{message}, which was set back: ages are unknown")


def source_of(esper: EsperClient, telemetry: Telemetry, source: str, packets: Sequence[Packet]) -> SourceSeen:
    """State of a source by its `packets`, newest last.

    Raises:
        Unobservable: it has no packets, and the workload is not running.
    """
    others = tuple(sorted({p.source[:80] for p in telemetry.packets} - {source}))[:_MOST_EVENTS]
    workload = esper.section.workload
    if not packets:
        if workload != "running":
            message = f"no packet of {source} among the newest {telemetry.read} entries of {telemetry.stream}"
            raise Unobservable(ErrorKind.EMPTY, f"{message} (sources there: {', '.join(others) or 'none'})")
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
        health=newest.message.health,
        summary=newest.message.summary,
        indicators=newest.message.indicators,
        others=others,
    )


def reading_of(telemetry: Telemetry, packet: Packet, metric: str) -> Reading:
    """The value of a metric in one packet."""
    return Reading(
        metric=metric,
        value=packet.metrics.get(metric),
        packet=packet.message.packet_id[:80],
        entry=packet.entry,
        age_s=packet.age_s(telemetry.now_ms),
    )


def usable(reading: Reading) -> float:
    """The value of a reading that can be compared with a limit.

    Raises:
        Unobservable: it is missing, NaN or minus infinity.
    """
    if reading.value is None or math.isnan(reading.value) or reading.value == -math.inf:
        value = "missing" if reading.value is None else reading.value
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY,
            f"{reading.metric} is {value} in packet {reading.packet} ({reading.entry})",
        )
    return reading.value


def events_of(telemetry: Telemetry, packets: Iterable[Packet], *names: str) -> tuple[EventSeen, ...]:
    """The events of these names in the packets, newest packet first, the first twenty."""
    events = [
        EventSeen(
            description=event.description,
            level=event.level,
            attributes=event.attributes,
            packet=packet.message.packet_id[:80],
            age_s=packet.age_s(telemetry.now_ms),
        )
        for packet in reversed(list(packets))
        for event in packet.message.events
        if event.description in names
    ]
    return tuple(events[:_MOST_EVENTS])

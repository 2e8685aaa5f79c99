"""Telemetry packets of the bus: packets from entries, runs from packets, ages by Redis's own clock. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from systems.esper.bus.entries import Decoded
    from systems.esper.bus.models import Entry

__all__ = [
    "CANARY_SOURCE",
    "Packet",
    "Telemetry",
    "evidence",
    "is_completion",
    "is_epoch",
    "milliseconds",
    "runs",
]

CANARY_SOURCE = "opsverify-canary"
LOSS, LATENCY = "tolaria.training.loss", "tolaria.training.latency_ms"
HOOK = "tolaria.epoch_hook.latency_ms"
_SKEW_US = 5_000_000  # by how much a sender's clock may be ahead of Redis's
_EPOCH = re.compile(r"-epoch-(\d{1,9})$")


@dataclass(frozen=True, slots=True)
class Packet:
    """A telemetry packet: its first entry, the time of that entry (ms), and the decoded message."""

    entry: str
    at_ms: int
    message: Decoded

    @property
    def source(self) -> str:
        """The subsystem that it comes from."""
        return self.message.source

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics by name."""
        return self.message.metrics

    @property
    def epoch(self) -> int | None:
        """The number of its epoch, from its id or its health indicator, where it has one."""
        named = _EPOCH.search(self.message.packet_id)
        number = named[1] if named else self.message.indicators.get("epoch", "")
        return int(number) if number.isascii() and number.isdecimal() else None

    @property
    def when(self) -> tuple[int, int, int]:
        """When its sender made it; sorts packets of one source, whatever order they arrived in.

        A time after its arrival is not believed: the packet would stay the newest for ever.
        """
        came_us, made = self.at_ms * 1000, self.message.issued_at
        made_us = came_us if made is None else int(made.timestamp() * 1_000_000)
        return (came_us if made_us > came_us + _SKEW_US else made_us, self.epoch or 0, self.at_ms)

    def age_s(self, now_ms: int) -> float:
        """Seconds since it arrived on the bus."""
        return (now_ms - self.at_ms) / 1000


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A reading of the telemetry stream at `now_ms` of Redis's clock: `read` entries, and the packets among them.

    `packets` are in the order of the stream, oldest first, each as often as it was published.
    """

    now_ms: int
    stream: str
    read: int
    packets: tuple[Packet, ...] = field(repr=False)

    def of(self, source: str) -> list[Packet]:
        """The packets of one source, each once, in the order in which they were made."""
        first: dict[tuple[str, object], Packet] = {}
        for packet in self.packets:  # the same id comes again in the next run, then with another timestamp
            made = packet.message.issued_at or packet.entry
            if packet.source == source:
                first.setdefault((packet.message.packet_id, made), packet)
        return sorted(first.values(), key=lambda p: p.when)


def evidence(entries: Iterable[Entry]) -> tuple[Packet, ...]:
    """The telemetry packets among stream entries, oldest first, without our own and those that a consumer would reject."""
    packets = [
        Packet(entry=entry.id, at_ms=milliseconds(entry.id), message=entry.decoded)
        for entry in entries
        if not entry.decoded.problem
        and entry.decoded.message_type == "TELEMETRY"
        and entry.decoded.source != CANARY_SOURCE
    ]
    return tuple(sorted(packets, key=lambda p: _order(p.entry)))


def milliseconds(entry: str) -> int:
    """The time part of an entry's id."""
    return _order(entry)[0]


def runs(packets: Sequence[Packet]) -> list[list[Packet]]:
    """One source's packets by run: a completion packet ends one, and an epoch that is not beyond the last begins one."""
    grouped: list[list[Packet]] = []
    ended, last = True, -1
    for packet in packets:
        number = packet.epoch
        if ended or (number is not None and number <= last):
            grouped.append([])
            last = -1
        grouped[-1].append(packet)
        ended, last = is_completion(packet), last if number is None else number
    return grouped


def is_completion(packet: Packet) -> bool:
    """Whether this is the packet with which Tolaria ends a run: no hook, no loss, no latency. It is no epoch."""
    metrics = packet.metrics
    return HOOK not in metrics and metrics.get(LOSS) == 0 and metrics.get(LATENCY) == 0


def is_epoch(packet: Packet) -> bool:
    """Whether a packet of Tolaria is that of an epoch."""
    return any(name.startswith("tolaria.") for name in packet.metrics) and not is_completion(packet)


def _order(entry: str) -> tuple[int, int]:
    time, _, sequence = entry.partition("-")
    return int(time), int(sequence or 0)

"""What the unit tests of Esper-Lite's training side have seen: a source, a reading, an event, a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from systems.esper.training.models import Epoch, EventSeen, Reading, SourceSeen, TolariaRun

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["event", "reading", "run", "source"]


def source(name: str = "tolaria", **more: Any) -> SourceSeen:
    """A source that is heard."""
    heard = {
        "source": name,
        "workload": "running",
        "read": 9,
        "packets": 3,
        "age_s": 0.5,
        "entry": "1-0",
        "health": "HEALTHY",
        "summary": "",
        "indicators": {},
        "others": (),
    }
    return SourceSeen.model_validate({**heard, **more})


def reading(value: float | None, metric: str = "m") -> Reading:
    """What a packet says of a metric."""
    return Reading(metric=metric, value=value, packet="p", entry="1-0", age_s=0.5)


def event(name: str, **attributes: str) -> EventSeen:
    """An event."""
    return EventSeen(description=name, level="WARNING", attributes=attributes, packet="p", age_s=0.5)


def run(
    losses: Sequence[float | None] = (0.2,), latencies: Sequence[float | None] = (12.0,), **more: Any
) -> TolariaRun:
    """A run of these epochs."""
    count = max(len(losses), len(latencies))
    pairs = zip(
        [*losses, *[0.2] * (count - len(losses))],
        [*latencies, *[12.0] * (count - len(latencies))],
        strict=True,
    )
    epochs = [Epoch(packet="p", entry="1-0", loss=loss, latency_ms=ms) for loss, ms in pairs]
    return TolariaRun(source=source(**more), count=len(epochs), epochs=tuple(epochs), completed=True)

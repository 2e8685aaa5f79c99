"""What is observed of the contracts themselves: enum values on the bus."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import EnumValues

__all__ = ["enum_values"]

_MOST = 50


@observation(of="redis", deadline=seconds(8))
async def enum_values(esper: EsperClient) -> EnumValues:
    """Enum values in the newest entries of every stream, and where each source's health stands."""
    streams, missing = await esper.bus.newest_of_each(int(esper.section.limits.newest.value))
    messages, known = dict.fromkeys(streams, 0), 0
    unknown, health = list[str](), dict[str, str]()
    for name, entries in streams.items():
        for entry in entries:
            said = entry.decoded
            messages[name] += bool(said.message_type or said.unknown_values)
            known += bool(said.message_type and not said.unknown_values)
            unknown += [f"{name} {entry.id}: {value}" for value in said.unknown_values]
            if said.message_type == "TELEMETRY" and not said.problem:
                told = f"system_health {said.health}" if said.health else "no system_health"
                health.setdefault(said.source[:80], told)
    if not any(messages.values()):
        told = "; ".join(missing) or "no message that decodes on any stream"
        raise Unobservable(ErrorKind.EMPTY, f"{told}; see E-OON-6")
    return EnumValues(
        names=tuple(dict.fromkeys(esper.section.streams.names().values())),
        messages=messages,
        known=known,
        missing=missing,
        unknown=tuple(dict.fromkeys(unknown))[:_MOST],
        health_from=tuple(f"{source}: {told}" for source, told in sorted(health.items()))[:_MOST],
    )

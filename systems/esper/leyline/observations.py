"""Observations of the Leyline contracts: enum values of the messages on the bus."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.client import EsperClient
from systems.esper.training.models import EnumValues

__all__ = ["enum_values"]

_MOST = 50


@observation(of="redis", deadline=seconds(8))
async def enum_values(esper: EsperClient) -> EnumValues:
    """Enum values in the newest entries of every stream, and the newest system_health of each source."""
    streams, missing = await esper.bus.newest_of_each(int(esper.section.limits.newest.value))
    messages, known = dict.fromkeys(streams, 0), 0
    unknown, health = list[str](), dict[str, str]()
    for name, entries in streams.items():
        for entry in entries:
            message = entry.decoded
            messages[name] += bool(message.message_type or message.unknown_values)
            known += bool(message.message_type and not message.unknown_values)
            unknown += [f"{name} {entry.id}: {value}" for value in message.unknown_values]
            if message.message_type == "TELEMETRY" and not message.problem:
                value = f"system_health {message.health}" if message.health else "no system_health"
                health.setdefault(message.source[:80], value)
    if not any(messages.values()):
        reason = "; ".join(missing) or "no message that decodes on any stream"
        raise Unobservable(ErrorKind.EMPTY, f"{reason}; see E-OON-6")
    return EnumValues(
        names=tuple(dict.fromkeys(esper.section.streams.names().values())),
        messages=messages,
        known=known,
        missing=missing,
        unknown=tuple(dict.fromkeys(unknown))[:_MOST],
        health_from=tuple(f"{source}: {value}" for source, value in sorted(health.items()))[:_MOST],
    )

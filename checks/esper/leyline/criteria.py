"""What must hold of the contracts: every enum value on the bus is one that Leyline knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.training.models import EnumValues

__all__ = ["values_known"]


def values_known(seen: EnumValues) -> Finding:
    """No message on the bus carries an enum value that Leyline does not know."""
    messages = sum(seen.messages.values())
    unread = [name for name in seen.names if name not in seen.messages]
    return first_of(
        fail("unknown-enum-value", seen.unknown or messages > seen.known),
        unknown("stream-missing", seen.missing or unread),
        unknown("no-messages", not messages),
        ok="values-known",
    ).finding(
        expected="message types, levels, health, stages, outcomes, commands and tiers that Leyline knows",
        observed=f"{len(seen.unknown)} unknown values"
        if seen.unknown
        else f"all known in {messages} messages",
        details=(*seen.unknown[:20], *seen.missing, *(f"health of {told}" for told in seen.health_from)),
    )

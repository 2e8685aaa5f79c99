"""Criteria of the Leyline contracts: enum values of the messages on the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.training.models import EnumValues

__all__ = ["values_known"]


def values_known(enums: EnumValues) -> Finding:
    """No message on the bus carries an enum value that Leyline does not know."""
    messages = sum(enums.messages.values())
    not_read = [name for name in enums.names if name not in enums.messages]
    return first_of(
        fail("unknown-enum-value", enums.unknown or messages > enums.known),
        unknown("stream-missing", enums.missing or not_read),
        unknown("no-messages", not messages),
        ok="values-known",
    ).finding(
        expected="message types, levels, health, stages, outcomes, commands and tiers that Leyline knows",
        observed=f"{len(enums.unknown)} unknown enum values in {messages} messages"
        if enums.unknown
        else f"all enum values known in {messages} messages",
        details=(*enums.unknown[:20], *enums.missing, *(f"source {health}" for health in enums.health_from)),
    )

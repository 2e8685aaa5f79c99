"""What must hold of the contracts: every enum value on the bus is one that Leyline knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.seen.training import EnumValues

__all__ = ["values_known"]


def values_known(seen: EnumValues) -> Finding:
    """No message on the bus carries an enum value that Leyline does not know."""
    strange = bool(seen.unknown)
    return Finding(
        holds=not strange,
        reason="unknown-enum-value" if strange else "values-known",
        expected="message types, levels, health, stages, outcomes, commands and tiers that Leyline knows",
        observed=f"{len(seen.unknown)} unknown values"
        if strange
        else f"all known in {seen.messages} messages",
        details=(*seen.unknown[:20], *(f"health of {told}" for told in seen.health_from)),
    )

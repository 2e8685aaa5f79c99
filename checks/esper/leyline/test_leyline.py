"""Leyline, the message contracts of Esper-Lite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.leyline import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.training.models import EnumValues


@pytest.mark.check(
    id="E-LEY-1",
    severity="P2",
    profiles="canary",
    runbook='2 "Subsystem Quick Reference"',
    next_step="find the program that sends it, by stream and entry id: it uses another version of the contracts than its consumers",
)
def test_enum_values_are_those_of_leyline(enum_values: Observation[EnumValues]) -> None:
    """Every enum value on the bus is a Leyline value."""
    verify(criteria.values_known(enum_values.value))

"""The detection matrix of Esper-Lite: faults of Redis, the streams, their groups and their entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults import BUS_FAULTS, FAULTS
from tests.detection.esper.turning import see_fault_turn
from tests.detection.harness import Suite, see_all_green, without_a_fault

if TYPE_CHECKING:
    from fixtures.esper.faults.base import EsperFault
    from fixtures.esper.twin.site import EsperTwin


def test_all_checks_are_green_without_a_fault(suite: Suite) -> None:
    """On a healthy twin every check passes, and none is skipped."""
    see_all_green(suite)


def test_every_check_has_a_fault_that_makes_it_fail(suite: Suite) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    assert without_a_fault(suite, FAULTS) == set()


@pytest.mark.parametrize("fault_class", BUS_FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[EsperFault], twin: EsperTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    see_fault_turn(fault_class, twin, suite)

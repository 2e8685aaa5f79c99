"""The detection matrix of Esper-Lite: faults of Nissa and what stands around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults import SERVICE_FAULTS
from tests.detection.esper.turning import see_fault_turn

if TYPE_CHECKING:
    from fixtures.esper.faults.base import EsperFault
    from fixtures.esper.twin.site import EsperTwin
    from tests.detection.harness import Suite


@pytest.mark.parametrize("fault_class", SERVICE_FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[EsperFault], twin: EsperTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    see_fault_turn(fault_class, twin, suite)

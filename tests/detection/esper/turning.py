"""One fault of Esper-Lite put in force and undone: what each file of the matrix does for its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.arming import Arming
from tests.detection.harness import Suite, see_it_turn

if TYPE_CHECKING:
    from fixtures.esper.faults.base import EsperFault
    from fixtures.esper.twin.site import EsperTwin

__all__ = ["see_fault_turn"]


def see_fault_turn(fault_class: type[EsperFault], twin: EsperTwin, suite: Suite) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    if fault_class.reddens.keys() <= suite.lacking:
        pytest.skip("this machine has no Prometheus; to have one: apt-get install prometheus")
    fault = fault_class(twin, Arming(target="matrix", owned=True))
    fault.drain_and_trim()  # a slow machine gives the trainer time to reach the thresholds all by itself
    see_it_turn(fault, suite)

"""The detection matrix of BZZZ: its peers and its incidents. Each fault turns exactly its checks, for its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults import FAULTS as ALL

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from tests.detection.matrix import Matrix

pytestmark = pytest.mark.slow

AREAS = {"agents", "network", "election", "dht", "incidents"}
PART, FAULTS = "bzzz", tuple(fault for fault in ALL if AREAS & set(fault.__module__.split(".")[3:]))


def test_exactly_the_checks_of_a_fault_turn(matrix: Matrix, fault_class: type[Fault] | None) -> None:
    """With the fault in force its checks are not green, and every other one is; the next look shows that it was undone."""
    matrix.turn(fault_class)

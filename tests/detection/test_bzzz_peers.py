"""The detection matrix of BZZZ: its peers and its incidents. Each fault turns exactly its checks, for its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults import INCIDENT_FAULTS, PEERS_FAULTS

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from tests.detection.matrix import Matrix

pytestmark = pytest.mark.slow

PART, FAULTS = "bzzz", (*PEERS_FAULTS, *INCIDENT_FAULTS)


def test_exactly_the_checks_of_a_fault_turn(matrix: Matrix, fault_class: type[Fault] | None) -> None:
    """With the fault in force its checks are not green, and every other one is; the next look shows that it was undone."""
    matrix.turn(fault_class)

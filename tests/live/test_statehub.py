"""State Hub live: everything is green in health, and three faults turn exactly their checks. `tox run -e detection` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from tests.detection.matrix import Matrix

PART = "statehub"


def test_exactly_the_checks_of_a_fault_turn(matrix: Matrix, fault_class: type[Fault]) -> None:
    """With the fault in force its checks are not green, and every other one is; the next look shows that it was undone."""
    matrix.turn(fault_class)

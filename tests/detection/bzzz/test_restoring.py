"""The detection matrix of BZZZ: faults of backups that only a restore shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.faults import RESTORING_FAULTS
from tests.detection.bzzz.turning import see_fault_turn

if TYPE_CHECKING:
    from fixtures.bzzz.faults.base import BzzzFault
    from fixtures.bzzz.twin.site import BzzzTwin
    from tests.detection.harness import Suite


@pytest.mark.parametrize("fault_class", RESTORING_FAULTS, ids=lambda f: str(f.name))
def test_exactly_the_checks_of_a_fault_turn(
    fault_class: type[BzzzFault], twin: BzzzTwin, suite: Suite
) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    see_fault_turn(fault_class, twin, suite)

"""The detection matrix of BZZZ as a whole: nothing is red in health, and nothing can only be green."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures.bzzz.faults import FAULTS
from tests.detection.harness import see_all_green, without_a_fault

if TYPE_CHECKING:
    from tests.detection.harness import Suite


def test_all_checks_are_green_without_a_fault(suite: Suite) -> None:
    """On a healthy twin every check passes, and none is skipped."""
    see_all_green(suite)


def test_every_check_has_a_fault_that_makes_it_fail(suite: Suite) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    assert without_a_fault(suite, FAULTS) == set()

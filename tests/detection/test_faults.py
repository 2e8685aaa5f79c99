"""What the faults say of themselves."""

from __future__ import annotations

from itertools import pairwise

import pytest

from opsverify.verdict import Verdict
from tests.detection.matrix import in_order
from tests.detection.parts import PARTS

FIRST = [name for name, part in PARTS.items() if part.live]


@pytest.mark.parametrize("name", FIRST)
def test_every_check_has_a_fault_that_makes_it_fail(name: str) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    failing = {
        check
        for fault in PARTS[name].faults
        for check, (verdict, _) in fault.reddens.items()
        if verdict is Verdict.FAIL
    }
    assert PARTS[name].checks.keys() - failing == set()


@pytest.mark.parametrize("name", PARTS)
def test_ordering_loses_no_fault(name: str) -> None:
    """Every fault is tried once, and few neighbours need a healthy look between them."""
    faults = PARTS[name].faults
    ordered = in_order(faults)
    assert sorted(ordered, key=id) == sorted(faults, key=id)
    shared = [
        after.name for before, after in pairwise(ordered) if before.reddens.keys() & after.reddens.keys()
    ]
    assert len(shared) * 4 <= len(faults), shared

"""What the faults say of themselves."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from opsverify.model.fault import Fault
from opsverify.model.verdict import Verdict
from tests.detection.matrix import in_order
from tests.detection.parts import PARTS, ROOT

FIRST = [name for name, part in PARTS.items() if part.live]


@pytest.mark.parametrize("name", FIRST)
def test_every_check_has_a_fault_that_makes_it_fail(name: str) -> None:
    """No check is without a fault that makes it FAIL; UNKNOWN does not count."""
    failing = {
        check
        for fault in PARTS[name].faults
        for check, (verdict, _) in fault.expected_failures.items()
        if verdict is Verdict.FAIL
    }
    assert PARTS[name].checks.keys() - failing == set()


def test_every_fault_is_tried() -> None:
    """A fault that is written is in the matrix or in a drill."""
    drills = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "checks").rglob("drills/*.py"))
    tried = {fault for part in PARTS.values() for fault in part.faults}
    written = {
        each for each in _below(Fault) if "name" in vars(each) and each.__module__.startswith("fixtures.")
    }
    assert {each.name for each in written - tried if not re.search(rf"\b{each.__name__}\b", drills)} == set()


def _below(base: Any) -> set[type[Fault]]:
    return {each for direct in base.__subclasses__() for each in {direct, *_below(direct)}}


@pytest.mark.parametrize("name", PARTS)
def test_ordering_loses_no_fault(name: str) -> None:
    """Every fault is tried once, and few neighbours need a healthy look between them."""
    faults = PARTS[name].faults
    ordered = in_order(faults)
    assert sorted(ordered, key=id) == sorted(faults, key=id)
    shared = [
        after.name
        for before, after in pairwise(ordered)
        if before.expected_failures.keys() & after.expected_failures.keys()
    ]
    assert len(shared) * 4 <= len(faults), shared

"""One fault of BZZZ put in force and undone: what each file of the matrix does for its faults."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.system import BZZZ
from opsverify.arming import Arming
from tests.contract.test_documents import declared_checks
from tests.detection.harness import ROOT, Suite, see_it_turn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fixtures.bzzz.faults.base import BzzzFault
    from fixtures.bzzz.twin.site import BzzzTwin

__all__ = ["LIMITS", "lacking", "see_fault_turn"]

LIMITS: Mapping[str, float] = tomllib.loads((ROOT / "targets" / "embedded.toml").read_text(encoding="utf-8"))[
    "bzzz"
]["limits"]
"""What a twin needs that a live system does not, as targets/embedded.toml has it."""


def lacking(absent: Collection[str]) -> frozenset[str]:
    """Checks that need a surface which this machine cannot have."""
    specs = {spec.name: spec for spec in BZZZ.observations}
    return frozenset(
        check.id
        for check in declared_checks("bzzz")
        if any(set(specs[name].surfaces) & set(absent) for name in check.asks if name in specs)
    )


def see_fault_turn(fault_class: type[BzzzFault], twin: BzzzTwin, suite: Suite) -> None:
    """With the fault in force exactly its checks turn, for its reason; once it is undone all are green again."""
    if fault_class.reddens.keys() <= suite.lacking:
        pytest.skip("this machine has no server that this fault breaks")
    see_it_turn(fault_class(twin, Arming(target="matrix", owned=True)), suite)

"""Each reason that a criterion can give was given: by a fault that is recorded, or by a row of its tests of units."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.contract.test_judging_laws import ROOT, modules, reasons, tree
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of, load, taken

CRITERIA = [path for path in modules("checks") if "criteria" in path.parts or path.stem.endswith("criteria")]


def imported(path: Path) -> set[str]:
    """The modules that a module imports, or takes something from."""
    found = set[str]()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def literals(path: Path) -> set[str]:
    """The strings that stand in a module."""
    return {
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


GOES_ON = {"heard", "had-time"}
"""Where these ladders pass, another one goes on: no finding has them."""

pytestmark = pytest.mark.slow


@cache
def recorded(system: str) -> frozenset[str]:
    """The reason of every finding, whichever decided, that recorded evidence leads to."""
    specs, checks = {spec.name: spec for spec in SYSTEMS[system].observations}, checks_of(system)
    found = set[str]()
    for case in load(system):
        seen = {name: taken(specs[name], saved) for name, saved in case.saved.items()}
        outcome = judged(checks[case.check], limits_of(system, case.limits), seen)
        found |= {case.reason, *(finding.reason for finding in outcome.findings)}
    return frozenset(found)


@pytest.mark.parametrize("path", CRITERIA, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_reason_was_given(path: Path) -> None:
    """The list of reasons that nobody has ever seen is empty."""
    system = path.relative_to(ROOT).parts[1]
    rows = [
        test
        for test in modules("tests/unit")
        if any(of.startswith(f"checks.{system}.") for of in imported(test))
    ]
    given = set(recorded(system))
    given |= {reason for test in rows for reason in literals(test)}
    assert {reason for _, reason in reasons(path)} - given - GOES_ON == set()

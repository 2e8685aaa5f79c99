"""Each reason that a criterion can give was given: by a fault that is recorded, or by a row of its tests of units."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.contract.test_judging_laws import ROOT, modules, reasons, tree
from tests.evidence.recording import load

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


@pytest.mark.parametrize("path", CRITERIA, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_reason_was_given(path: Path) -> None:
    """The list of reasons that nobody has ever seen is empty."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    rows = [test for test in modules("tests/unit") if name in imported(test)]
    given = {case.reason for case in load(path.relative_to(ROOT).parts[1])}
    given |= {reason for test in rows for reason in literals(test)}
    assert {reason for _, reason in reasons(path)} - given == set()

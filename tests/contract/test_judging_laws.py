"""Judging stays out of observing, and a verdict and its reason are one expression: read from the source."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsverify.model.limits import Window
from systems.bzzz.limits import BzzzLimits
from systems.esper.limits import EsperLimits
from systems.statehub.limits import StateHubLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.model.limits import Limits

ROOT = Path(__file__).parents[2]
TABLES: dict[str, type[Limits]] = {"bzzz": BzzzLimits, "esper": EsperLimits, "statehub": StateHubLimits}
CHANGES_OR_BREAKS = {"operator", "actions", "section", "target"}
STEPS = {"fail", "unknown", "fine"}


def modules(folder: str) -> list[Path]:
    """Every module below a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """The calls of plain functions of these names."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def observing(system: str) -> list[Path]:
    """What observes a system: its observations, its clients, what they read and what they know."""
    folder = ROOT / "systems" / system
    return [
        path
        for path in modules(f"systems/{system}")
        if not any(part.removesuffix(".py") in CHANGES_OR_BREAKS for part in path.relative_to(folder).parts)
    ]


def limits_read(path: Path) -> Iterator[str]:
    """The limits that a module reads, by name."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Attribute):
            continue
        of = node.value
        name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
        if name.lstrip("_") == "limits":
            yield node.attr


@pytest.mark.parametrize("system", TABLES)
def test_an_observation_reads_no_threshold(system: str) -> None:
    """What observes reads only how long and how much it looks at: saved evidence can be judged with any threshold."""
    fields = TABLES[system].model_fields
    thresholds = {name for name, field in fields.items() if not isinstance(field.default, Window)}
    read = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in observing(system)
        for name in limits_read(path)
        if name in thresholds
    }
    assert read == set()


@pytest.mark.parametrize("system", TABLES)
def test_a_window_is_read(system: str) -> None:
    """A limit that is called a window is one: something that observes or acts reads it."""
    windows = {n for n, field in TABLES[system].model_fields.items() if isinstance(field.default, Window)}
    read = {
        name
        for root in ("systems", "fixtures")
        for path in modules(f"{root}/{system}")
        for name in limits_read(path)
    }
    declared = {
        keyword.value.value
        for path in observing(system)
        for call in calls(path, "observation")
        for keyword in call.keywords
        if keyword.arg == "window" and isinstance(keyword.value, ast.Constant)
    }
    assert windows <= read | declared


def test_no_verdict_is_written_beside_its_reason() -> None:
    """A finding of a check comes from a ladder: none is made by itself."""
    given = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in modules("checks")
        for call in calls(path, "Finding")
    ]
    assert given == []


def reasons(path: Path) -> Iterator[tuple[int, str]]:
    """Line and reason of each step of each ladder in a module; "" where it is not written out."""
    constants = {
        comprehension.target.id: comprehension.iter.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.GeneratorExp | ast.ListComp)
        for comprehension in node.generators
        if isinstance(comprehension.target, ast.Name) and isinstance(comprehension.iter, ast.Name)
    }
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    given = [(call.lineno, call.args[0]) for call in calls(path, *STEPS)]
    given += [
        (call.lineno, keyword.value)
        for call in calls(path, "first_of")
        for keyword in call.keywords
        if keyword.arg == "ok"
    ]
    for line, reason in given:
        if isinstance(reason, ast.Constant):
            yield line, str(reason.value)
        elif isinstance(reason, ast.Name):
            listed = getattr(module, constants.get(reason.id, ""), ())
            yield from ((line, each) for each in listed or ("",))
        else:
            yield line, ""


def test_every_reason_is_written_out() -> None:
    """What a criterion can say can be listed: a reason is a literal, or one of a constant of its module."""
    unlisted = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules("checks")
        for line, reason in reasons(path)
        if not reason
    ]
    assert unlisted == []


def test_nothing_is_begun_that_nobody_may_await() -> None:
    """No function that observes or gathers takes a coroutine: cancelled before its first step, it would leave it un-awaited,
    and Python's warning of that would break a check that has nothing to do with it.
    """
    takes = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}({argument.arg})"
        for path in [*modules("opsverify"), *(each for system in TABLES for each in observing(system))]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *_rest(node.args))
        if argument.annotation and re.match(r"(Awaitable|Coroutine)\[", ast.unparse(argument.annotation))
    ]
    assert takes == []


def _rest(arguments: ast.arguments) -> list[ast.arg]:
    return [each for each in (arguments.vararg, arguments.kwarg) if each]

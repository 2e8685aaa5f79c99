"""The shape of the tree: how large a module may be, what it is called, what a check may call. Imports: `lint-imports`."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("opsverify", "systems", "fixtures", "checks")
CALLS = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "sleep",
    "now",
    "today",
    "utcnow",
    "exists",
    "stat",
    "iterdir",
    "glob",
    "rglob",
    "import_module",
    "exec",
    "eval",
    "system",
    "popen",
}
"""What opens, waits, or asks the clock."""


def modules(layer: str) -> list[Path]:
    """Every module of a layer but what protoc wrote."""
    return sorted(p for p in (ROOT / layer).rglob("*.py") if "_pb2" not in p.name)


ALL = [path for layer in LAYERS for path in modules(layer)]


def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def called(path: Path) -> set[str]:
    """The names of what a module calls."""
    calls = [n.func for n in ast.walk(tree(path)) if isinstance(n, ast.Call)]
    return {f.id for f in calls if isinstance(f, ast.Name)} | {
        f.attr for f in calls if isinstance(f, ast.Attribute)
    }


def test_checks_do_no_input_or_output() -> None:
    """A check judges what was observed: it opens nothing, waits for nothing and asks no clock."""
    assert {str(p): found for p in modules("checks") if (found := called(p) & CALLS)} == {}


def test_no_module_is_large() -> None:
    """No module has more than 400 lines."""
    large = {str(p): n for p in ALL if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert large == {}


def test_each_folder_of_modules_is_a_package() -> None:
    """A folder without __init__.py is seen neither by lint-imports nor by whoever collects observations and faults."""
    assert sorted({str(p.parent) for p in ALL if not (p.parent / "__init__.py").is_file()}) == []


@pytest.mark.parametrize("layer", LAYERS)
def test_most_modules_are_small(layer: str) -> None:
    """The median module has fewer than 150 lines."""
    assert statistics.median(len(p.read_text(encoding="utf-8").splitlines()) for p in modules(layer)) < 150


def test_modules_are_named_after_what_they_are() -> None:
    """No module or folder is called utils, helpers or common."""
    named = {
        p: {w for part in p.relative_to(ROOT).with_suffix("").parts for w in part.split("_")} for p in ALL
    }
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert [str(p) for p, words in named.items() if words & vague] == []


def _undocumented(body: list[ast.stmt], where: str) -> list[str]:
    missing = []
    for node in body:
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("_"):
            overload = any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
            if not overload and not ast.get_docstring(node):
                missing.append(f"{where}{node.name}")
            if isinstance(node, ast.ClassDef):
                missing += _undocumented(node.body, f"{where}{node.name}.")
    return missing


def test_everything_public_in_the_engine_is_explained() -> None:
    """Each module, public class and public function of the engine has a docstring."""
    unexplained = {str(p): _undocumented(tree(p).body, "") for p in modules("opsverify")}
    assert {path: names for path, names in unexplained.items() if names} == {}
    assert [str(p) for p in modules("opsverify") if not ast.get_docstring(tree(p))] == []


def test_a_plain_run_loads_no_database_library() -> None:
    """What only a history, a notification or a metrics file needs is loaded where there is one."""
    loaded = "import sys, opsverify.plugin; print({'sqlalchemy', 'tenacity', 'prometheus_client'} & sys.modules.keys())"
    ran = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.strip() == "set()"


def test_only_the_plugin_has_pytest_hooks() -> None:
    """plugin.py is the only module of the engine that defines pytest's hooks."""
    having = [
        p.name
        for p in modules("opsverify")
        if any(isinstance(n, ast.FunctionDef) and n.name.startswith("pytest_") for n in tree(p).body)
    ]
    assert having == ["plugin.py"]

"""The shape of the tree: which way imports go, and how large a module may be."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("opsverify", "fixtures", "checks")
# What these systems are called is nobody's business but their own folders'.
SYSTEMS = sorted(
    p.name for p in (ROOT / "checks").iterdir() if p.is_dir() and not p.name.startswith(("_", "."))
)
NO_IO = {
    "socket",
    "subprocess",
    "time",
    "asyncio",
    "redis",
    "httpx",
    "aiohttp",
    "psycopg",
    "requests",
    "urllib",
    "os",
    "shutil",
    "threading",
}


def modules(layer: str) -> list[Path]:
    """Every module of a layer but what protoc wrote."""
    return sorted(p for p in (ROOT / layer).rglob("*.py") if "_pb2" not in p.name)


ALL = [pytest.param(p, id=str(p.relative_to(ROOT))) for layer in LAYERS for p in modules(layer)]


def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """Every module that a module imports, anywhere in it, by its full name."""
    package = list(path.relative_to(ROOT).parts[:-1])
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def goes_to(path: Path, *prefixes: str) -> list[str]:
    """What a module imports of these packages."""
    return sorted(n for n in imported(path) if any(n == p or n.startswith(f"{p}.") for p in prefixes))


@pytest.mark.parametrize("path", ALL)
def test_imports_go_one_way(path: Path) -> None:
    """The engine imports no fixtures, fixtures import no checks, and nothing imports the tests."""
    layer = path.relative_to(ROOT).parts[0]
    above = {"opsverify": ("fixtures", "checks"), "fixtures": ("checks",), "checks": ()}[layer]
    assert goes_to(path, *above, "tests", "bench", "conftest") == []


@pytest.mark.parametrize("path", ALL)
def test_no_system_imports_another(path: Path) -> None:
    """A module of one system imports nothing of another's, and the engine names none."""
    own = next((s for s in SYSTEMS if s in path.relative_to(ROOT).parts), None)
    others = [f"{layer}.{s}" for layer in ("fixtures", "checks") for s in SYSTEMS if s != own]
    assert goes_to(path, *others) == []


@pytest.mark.parametrize("path", [p for p in ALL if "client" in str(p.id) and "fixtures/" in str(p.id)])
def test_a_client_never_imports_a_twin(path: Path) -> None:
    """A client knows the real system by its wire only."""
    assert [n for n in imported(path) if "twin" in n.split(".")] == []


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in ALL
        if str(p.id).startswith("fixtures/") and "/twin/" not in str(p.id) and "/faults/" not in str(p.id)
    ],
)
def test_only_what_is_loaded_on_demand_imports_a_twin_or_a_fault(path: Path) -> None:
    """A run against a live target loads neither twin nor faults: outside their folders they are imported
    inside functions only.
    """
    top = ast.Module(
        body=[n for n in tree(path).body if isinstance(n, ast.Import | ast.ImportFrom)], type_ignores=[]
    )
    named = {n.module or "" for n in ast.walk(top) if isinstance(n, ast.ImportFrom)}
    named |= {alias.name for n in ast.walk(top) if isinstance(n, ast.Import) for alias in n.names}
    assert [n for n in named if {"twin", "faults"} & set(n.split("."))] == []


@pytest.mark.parametrize("path", [p for p in ALL if str(p.id).startswith("checks/")])
def test_checks_do_no_input_or_output(path: Path) -> None:
    """A check judges what was observed: it opens nothing, waits for nothing and talks to nobody."""
    assert goes_to(path, *NO_IO) == []
    calls = [n.func for n in ast.walk(tree(path)) if isinstance(n, ast.Call)]
    named = {f.id for f in calls if isinstance(f, ast.Name)} | {
        f.attr for f in calls if isinstance(f, ast.Attribute)
    }
    assert (
        named
        & {
            "open",
            "read_text",
            "read_bytes",
            "write_text",
            "write_bytes",
            "sleep",
            "now",
            "exec",
            "eval",
            "system",
            "popen",
        }
        == set()
    )


@pytest.mark.parametrize(
    "path", [p for p in ALL if str(p.id).startswith("checks/") and "/drills/" not in str(p.id)]
)
def test_only_drills_import_what_breaks_or_acts(path: Path) -> None:
    """A check outside drills/ imports no fault, no operator and no twin."""
    assert [n for n in imported(path) if {"faults", "operator", "twin"} & set(n.split("."))] == []


@pytest.mark.parametrize("path", ALL)
def test_no_module_is_large(path: Path) -> None:
    """No module has more than 400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("layer", LAYERS)
def test_most_modules_are_small(layer: str) -> None:
    """The median module has fewer than 150 lines."""
    assert statistics.median(len(p.read_text(encoding="utf-8").splitlines()) for p in modules(layer)) < 150


@pytest.mark.parametrize("path", ALL)
def test_modules_are_named_after_what_they_are(path: Path) -> None:
    """No module or folder is called utils, helpers or common."""
    words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    assert words & {"util", "utils", "helper", "helpers", "common", "misc"} == set()


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


@pytest.mark.parametrize("path", [p for p in ALL if str(p.id).startswith("opsverify/")])
def test_everything_public_in_the_engine_is_explained(path: Path) -> None:
    """Each module, public class and public function of the engine has a docstring."""
    assert ast.get_docstring(tree(path)), f"{path} has no docstring"
    assert _undocumented(tree(path).body, "") == []


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

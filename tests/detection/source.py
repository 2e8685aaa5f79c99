"""What a recording hangs on: the source of its fault, of the twin, and of what was observed of it, in one digest.

Only what runs counts: comments, docstrings and the layout of a file do not, nor what is imported for types alone.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsverify.limits import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.fault import Fault
    from opsverify.observation import ObservationSpec
    from tests.detection.parts import Part

__all__ = ["digest_of", "specs_of"]

ROOT = Path(__file__).resolve().parents[2]
_PROBES = ("opsverify/gathering.py", "opsverify/http.py", "opsverify/prometheus.py", "opsverify/replies.py")
"""Of the engine, what reads the wire; what it makes of that is judged anew each time."""


def specs_of(part: Part, fault: type[Fault]) -> list[ObservationSpec]:
    """The observations by which the checks that a fault turns are judged."""
    known = {spec.name: spec for spec in part.system.observations}
    asked = {name for check in fault.reddens if check in part.checks for name in part.checks[check].asks}
    return [spec for name, spec in known.items() if name in asked]


def digest_of(part: Part, fault: type[Fault] | None) -> str:
    """The digest of what a recording of this fault hangs on; of the healthy run, of all observations."""
    specs = part.system.observations if fault is None else specs_of(part, fault)
    home = f"fixtures/{part.system.name}"
    files = set(_below(f"{home}/twin"))
    if fault is not None:
        for each in fault.__mro__:
            if each.__module__.startswith("fixtures."):
                files |= _reached(
                    _path(each.__module__), (f"{home}/observations", f"{home}/client.py", f"{home}/twin")
                )
    for spec in specs:
        files |= _observed(home, spec)
    windows = {name: limit.value for name, limit in part.limits_now if isinstance(limit, Window)}
    told = hashlib.sha256(repr(sorted(windows.items())).encode())
    # A limit is no part of what was seen but where it is the time between two samples.
    for path in sorted(path for path in files if "/limits" not in path):
        told.update(f"{path} {_meaning(path)}\n".encode())
    return told.hexdigest()[:16]


@cache
def _observed(home: str, spec: ObservationSpec) -> frozenset[str]:
    """The modules of an observation and of the clients that its module asks; of one that acts, the operator's too."""
    module = _path(inspect.unwrap(spec.function).__module__)
    leaving_out = (f"{home}/client.py", f"{home}/twin", f"{home}/faults", f"{home}/operator")
    files = set(_reached(module, leaving_out))
    clients = _clients(f"{home}/client.py")
    for attribute in _attributes(module) & clients.keys():
        files |= _reached(clients[attribute], leaving_out)
    if spec.active:
        files |= {
            path for path in (*_below(f"{home}/operator"), f"{home}/operator.py") if (ROOT / path).is_file()
        }
    return frozenset(files | set(_PROBES))


@cache
def _attributes(path: str) -> frozenset[str]:
    return frozenset(node.attr for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute))


@cache
def _clients(path: str) -> dict[str, str]:
    """Each attribute of a system's client, with the module of its class."""
    homes = {
        alias.name: _path(node.module)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fixtures.")
        for alias in node.names
    }
    return {
        node.target.id: homes[node.annotation.id]
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.annotation, ast.Name)
        and node.annotation.id in homes
    }


@cache
def _reached(start: str, leaving_out: tuple[str, ...]) -> frozenset[str]:
    """The modules of `fixtures` and of the engine's probes that a module imports, and what those import."""
    found, ahead = set[str](), [start]
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += [to for to in _imported(path) if not to.startswith(leaving_out)]
    return frozenset(found)


@cache
def _imported(path: str) -> tuple[str, ...]:
    wanted = set[str]()
    for node in _running(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                to = _path(name)
                if to.startswith(("fixtures/", *_PROBES)) and (ROOT / to).is_file():
                    wanted.add(to)
    return tuple(sorted(wanted))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree but those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        yield child
        yield from _running(child)


@cache
def _path(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


@cache
def _below(folder: str) -> tuple[str, ...]:
    return tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob("*.py")))


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_bytes())


@cache
def _meaning(path: str) -> str:
    """What runs of a file, the same for every Python: its tree without docstrings, places, and what is empty."""
    return hashlib.sha256(repr(_plain(_tree(path))).encode()).hexdigest()


def _plain(node: Any) -> Any:
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        body = fields.get("body")
        if (
            isinstance(body, list)
            and body
            and isinstance(node, _DOCUMENTED)
            and ast.get_docstring(node, clean=False) is not None
        ):
            fields["body"] = body[1:]
        return type(node).__name__, *(
            (name, _plain(value))
            for name, value in sorted(fields.items())
            if value not in (None, [], "") and name not in ("ctx", "kind", "type_ignores", "type_comment")
        )
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return repr(node)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

"""What a recording hangs on: the source of its fault, of the twin, and of what was observed of it, in one digest.

Only what runs counts: comments, docstrings and the layout of a file do not, nor where its parts are imported from.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsverify.model.limits import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.model.fault import Fault
    from opsverify.model.observation import ObservationSpec
    from tests.detection.parts import Part

__all__ = ["asked_specs", "digest_of", "digests_in_health", "meaning_of", "specs_of"]

ROOT = Path(__file__).resolve().parents[2]
_ENGINE = (
    "opsverify/model/observation.py",
    "opsverify/model/text.py",
    "opsverify/probes/",
    "opsverify/run/gather.py",
)
"""Of the engine, what makes observed values of what came over the wire; what it makes of those is judged anew each time."""
_OURS = ("systems/", "fixtures/", "opsverify/servers/")
_READ = {"bzzz": ("docs/bzzz/bzzz.rules.yml",), "bzzz-swarm": ("docs/bzzz/bzzz.rules.yml", "containers")}
"""What the twin of a part reads besides its modules."""


def specs_of(part: Part, fault: type[Fault]) -> list[ObservationSpec]:
    """The observations by which the checks that a fault turns are judged."""
    known = {spec.name: spec for spec in part.system.observations}
    asked = {
        name for check in fault.expected_failures if check in part.checks for name in part.checks[check].asks
    }
    return [spec for name, spec in known.items() if name in asked]


def asked_specs(part: Part) -> list[ObservationSpec]:
    """The observations that any check of a part asks for."""
    asked = {name for check in part.checks.values() for name in check.asks}
    return [spec for spec in part.system.observations if spec.name in asked]


def digest_of(part: Part, fault: type[Fault]) -> str:
    """The digest of what a recording of this fault hangs on."""
    name = part.system.name
    own = set[str]()
    for each in fault.__mro__:
        if each.__module__.startswith("fixtures."):
            leaving_out = (
                f"systems/{name}/*observations.py",
                f"systems/{name}/client.py",
                f"fixtures/{name}/twin/*",
            )
            own |= _reached(_path(each.__module__), leaving_out)
    files = own | set(_twin(name))
    for spec in specs_of(part, fault):
        files |= _observed(name, spec)
    # A limit is no part of what was seen, but where it is the time between two samples, or the fault goes by it.
    by = {attribute for path in own for attribute in _attributes(path)}
    values = {key: limit.value for key, limit in part.limits_now if isinstance(limit, Window) or key in by}
    return _told(part, files, values)


def digests_in_health(part: Part) -> dict[str, str]:
    """Of each observation that a check of the part asks for, the digest of what its healthy recording hangs on."""
    name = part.system.name
    windows = {key: limit.value for key, limit in part.limits_now if isinstance(limit, Window)}
    return {
        spec.name: _told(part, {*_twin(name), *_observed(name, spec)}, windows) for spec in asked_specs(part)
    }


def _told(part: Part, files: set[str], values: dict[str, float]) -> str:
    told = hashlib.sha256(repr(sorted(values.items())).encode())
    meanings = {_meaning(path) for path in files if "/limits" not in path}
    for meaning in sorted(meanings | set(_bytes_read(part.name))):
        told.update(meaning.encode())
    return told.hexdigest()[:16]


@cache
def _twin(name: str) -> frozenset[str]:
    """The modules of a twin, and what they import of the servers that it runs on."""
    leaving_out = (
        f"systems/{name}/*observations.py",
        f"systems/{name}/client.py",
        f"fixtures/{name}/faults/*",
        f"systems/{name}/*operator.py",
        f"systems/{name}/actions.py",
    )
    return frozenset(file for path in _below(f"fixtures/{name}/twin") for file in _reached(path, leaving_out))


@cache
def _bytes_read(part: str) -> tuple[str, ...]:
    found = [ROOT / path for path in _READ.get(part, ())]
    files = [file for each in found for file in (sorted(each.rglob("*")) if each.is_dir() else [each])]
    return tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file())


@cache
def _observed(name: str, spec: ObservationSpec) -> frozenset[str]:
    """The modules of an observation and of the clients that these ask; of one that acts, the operator's too."""
    module = _path(inspect.unwrap(spec.function).__module__)
    home = f"systems/{name}"
    leaving_out = (f"{home}/client.py", f"fixtures/{name}/*", f"{home}/*operator.py", f"{home}/actions.py")
    files, clients = set(_reached(module, leaving_out)), _clients(f"{home}/client.py")
    values = ("section.py", "target.py", "models.py")  # what is known and what is told: they ask nobody
    ahead = [path for path in files if not path.endswith(values)]
    while ahead:
        for attribute in _attributes(ahead.pop()) & clients.keys():
            more = _reached(clients[attribute], leaving_out) - files
            files |= more
            ahead += [path for path in more if not path.endswith(values)]
    if spec.active:
        files |= {path for path in _below(home) if path.endswith(("operator.py", "actions.py"))}
    return frozenset(
        files | {path for each in _ENGINE for path in (_below(each) if each.endswith("/") else (each,))}
    )


@cache
def _attributes(path: str) -> frozenset[str]:
    return frozenset(node.attr for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute))


@cache
def _clients(path: str) -> dict[str, str]:
    """Each attribute of a system's client, with the module of its class."""
    homes = {
        alias.name: _path(node.module)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("systems.")
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
    """The modules of the systems and of fixtures, and of the engine what reads the wire, that a module imports, and what those import."""
    found, ahead = set[str](), [start]
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += [to for to in _imported(path) if not any(fnmatch(to, each) for each in leaving_out)]
    return frozenset(found)


@cache
def _imported(path: str) -> tuple[str, ...]:
    wanted = set[str]()
    for node in _running(_tree(path)):
        names = list[str]()
        if isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: a relative import is not followed"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found = {_path(name) for name in names}
        wanted |= {to for to in found if to.startswith((*_OURS, *_ENGINE)) and (ROOT / to).is_file()}
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
    return meaning_of((ROOT / path).read_text(encoding="utf-8"))


def meaning_of(source: str) -> str:
    """A digest of what runs of a file, the same for every Python: without docstrings, imports, places and what is empty."""
    return hashlib.sha256(repr(_plain(ast.parse(source))).encode()).hexdigest()


def _plain(node: Any) -> Any:
    if isinstance(node, ast.Constant):
        return "Constant", repr(node.value)
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            fields["body"] = node.body[1:]
        elif isinstance(node, ast.JoinedStr):  # one Python writes an empty part more
            fields["values"] = [v for v in node.values if not isinstance(v, ast.Constant) or v.value]
        return type(node).__name__, *(
            (name, _plain(value))
            for name, value in sorted(fields.items())
            if value not in (None, [], "") and name not in ("ctx", "kind", "type_ignores", "type_comment")
        )
    if isinstance(node, list):
        return [_plain(each) for each in node if not isinstance(each, ast.Import | ast.ImportFrom)]
    return repr(node)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

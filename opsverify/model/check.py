"""A check's declaration: its marker, read and validated."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opsverify.model.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["PERIODS", "PROFILES", "Check", "CheckDeclarationError", "check_of", "read_check"]

PROFILES = ("smoke", "canary", "incident", "drill", "maintenance")
PERIODS = ("weekly", "monthly", "quarterly")
_ID = re.compile(r"^(?P<row>[A-Z]-[A-Z0-9]+-\d+)(?P<letter>[a-z]?)$")
_KEYS = {
    "id",
    "severity",
    "profiles",
    "subsystem",
    "runbook",
    "next_step",
    "alert",
    "unreachable",
    "advisory",
    "period",
}


class CheckDeclarationError(Exception):
    """A check marker is wrong. The message names the test and what would be right."""


@dataclass(frozen=True, slots=True)
class Check:
    """A declared check.

    `row` is its catalogue row; `name` what it looks at, `promise` the sentence that holds; `runbook` the section
    it comes from and `next_step` what the operator does when it is red; `unreachable` whether an endpoint that
    does not serve is FAIL or UNKNOWN for it; `period` the maintenance list it belongs to, empty for each of them; `advisory` ones are shown and count for no gate; `option` is what has to
    stand on the command line for it to exist.
    """

    id: str
    row: str
    severity: Severity
    profiles: frozenset[str]
    system: str
    subsystem: str
    name: str
    promise: str
    nodeid: str
    function: Callable[..., Any]
    runbook: str = ""
    next_step: str = ""
    alert: str = ""
    unreachable: Literal["unknown", "fail"] = "unknown"
    advisory: bool = False
    period: str = ""
    option: str = ""

    @property
    def asks(self) -> tuple[str, ...]:
        """The parameters of its function: observations, limits, and for a drill what it rehearses with."""
        return _parameters(self.function)

    @property
    def drill(self) -> bool:
        """Whether it breaks and repairs something."""
        return "drill" in self.profiles


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def read_check(item: pytest.Function) -> Check | None:
    """The check that a collected test declares, or None if it is an ordinary test.

    Raises:
        CheckDeclarationError: a key, id, severity or profile that does not exist.
    """
    marker = item.get_closest_marker("check")
    return (
        None if marker is None else _check(item.function, marker, item.path, item.nodeid, item.originalname)
    )


def check_of(function: Callable[..., Any]) -> Check:
    """The check that a test function declares, without collecting it (drills judge checks of other files).

    Raises:
        CheckDeclarationError: it declares none, or a wrong one.
    """
    path = Path(inspect.getsourcefile(function) or "?")
    marker = next((m for m in getattr(function, "pytestmark", []) if m.name == "check"), None)
    if marker is None:
        msg = f"{path.name}::{function.__name__} declares no check; add @pytest.mark.check(id=…, severity=…, profiles=…)"
        raise CheckDeclarationError(msg)
    return _check(function, marker, path, f"{path.name}::{function.__name__}", function.__name__)


def _check(function: Callable[..., Any], marker: pytest.Mark, path: Path, nodeid: str, name: str) -> Check:
    # The system is the folder under checks/, the subsystem the file's name after test_, unless the marker says.
    said = dict(marker.kwargs)
    unknown = set(said) - _KEYS
    match = _ID.fullmatch(str(said.get("id", "")))
    troubles = [
        *([f"unknown keys {sorted(unknown)}; keys are {sorted(_KEYS)}"] if unknown or marker.args else []),
        *(
            []
            if match
            else [f"id {said.get('id')!r} is not a catalogue row with an optional letter, such as E-OON-2b"]
        ),
        *(
            []
            if said.get("severity") in list(Severity)
            else [f"severity {said.get('severity')!r} is none of P0, P1, P2, P3"]
        ),
        *(
            ["it is a coroutine function; only a drill may be one, a check is a plain function of observations"]
            if inspect.iscoroutinefunction(function) and "drill" not in str(said.get("profiles")).split()
            else []
        ),
        *_profile_troubles(said.get("profiles")),
        *(
            []
            if said.get("unreachable", "unknown") in ("unknown", "fail")
            else ["unreachable is 'unknown' or 'fail'"]
        ),
        *(
            []
            if said.get("period", "") in ("", *PERIODS)
            else [f"period {said['period']!r} is none of {', '.join(PERIODS)}"]
        ),
    ]
    if troubles or match is None:
        msg = f"{nodeid}: @pytest.mark.check: {'; '.join(troubles)}"
        raise CheckDeclarationError(msg)
    parts = path.parts
    folder = next(
        (parts[i + 1] for i in range(len(parts) - 2, -1, -1) if parts[i] == "checks"), path.parent.name
    )
    return Check(
        id=said["id"],
        row=match["row"],
        severity=Severity(said["severity"]),
        profiles=frozenset(said["profiles"].split()),
        system=folder,
        subsystem=said.get("subsystem", path.stem.removeprefix("test_")),
        name=name.removeprefix("test_").replace("_", " "),
        promise=" ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()),
        nodeid=nodeid,
        function=function,
        runbook=said.get("runbook", ""),
        next_step=said.get("next_step", ""),
        alert=said.get("alert", ""),
        unreachable=said.get("unreachable", "unknown"),
        advisory=said.get("advisory", False),
        period=said.get("period", ""),
    )


def _profile_troubles(said: Any) -> list[str]:
    if not isinstance(said, str) or not said.split():
        return [f"profiles {said!r} must be some of: {' '.join(PROFILES)}"]
    wrong = [p for p in said.split() if p not in PROFILES]
    return [f"profiles {wrong} do not exist; they are {' '.join(PROFILES)}"] if wrong else []

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
    keys = dict(marker.kwargs)
    unknown = set(keys) - _KEYS
    match = _ID.fullmatch(str(keys.get("id", "")))
    errors = [
        *([f"unknown keys {sorted(unknown)}; keys are {sorted(_KEYS)}"] if unknown or marker.args else []),
        *(
            []
            if match
            else [f"id {keys.get('id')!r} is not a catalogue row with an optional letter, such as E-OON-2b"]
        ),
        *(
            []
            if keys.get("severity") in list(Severity)
            else [f"severity {keys.get('severity')!r} is none of P0, P1, P2, P3"]
        ),
        *(
            [
                "it is a coroutine function; only a drill may be one, a check is a plain function of observations"
            ]
            if inspect.iscoroutinefunction(function) and "drill" not in str(keys.get("profiles")).split()
            else []
        ),
        *_profile_troubles(keys.get("profiles")),
        *(
            []
            if keys.get("unreachable", "unknown") in ("unknown", "fail")
            else ["unreachable is 'unknown' or 'fail'"]
        ),
        *(
            []
            if keys.get("period", "") in ("", *PERIODS)
            else [f"period {keys['period']!r} is none of {', '.join(PERIODS)}"]
        ),
    ]
    if errors or match is None:
        msg = f"{nodeid}: @pytest.mark.check: {'; '.join(errors)}"
        raise CheckDeclarationError(msg)
    parts = path.parts
    folder = next(
        (parts[i + 1] for i in range(len(parts) - 2, -1, -1) if parts[i] == "checks"), path.parent.name
    )
    return Check(
        id=keys["id"],
        row=match["row"],
        severity=Severity(keys["severity"]),
        profiles=frozenset(keys["profiles"].split()),
        system=folder,
        subsystem=keys.get("subsystem", path.stem.removeprefix("test_")),
        name=name.removeprefix("test_").replace("_", " "),
        promise=" ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()),
        nodeid=nodeid,
        function=function,
        runbook=keys.get("runbook", ""),
        next_step=keys.get("next_step", ""),
        alert=keys.get("alert", ""),
        unreachable=keys.get("unreachable", "unknown"),
        advisory=keys.get("advisory", False),
        period=keys.get("period", ""),
    )


def _profile_troubles(profiles: Any) -> list[str]:
    if not isinstance(profiles, str) or not profiles.split():
        return [f"profiles {profiles!r} must be some of: {' '.join(PROFILES)}"]
    wrong = [p for p in profiles.split() if p not in PROFILES]
    return [f"profiles {wrong} do not exist; they are {' '.join(PROFILES)}"] if wrong else []

"""Where recorded evidence turns: for each threshold of each check, rows below it, at it and above it, generated."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from opsverify.limits import Limits, Window
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of, load, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opsverify.check import Check
    from opsverify.observation import Observation
    from tests.evidence.recording import Case

__all__ = ["Turn", "thresholds", "turns"]

_GRID = (-1e9, -1.0, 0.0, *(m * 10.0**e for e in range(-3, 11) for m in (1, 3)))
_EXACT = 12
"""A number of at most so many characters was observed, or counted from what was: no other lies between it and its neighbours."""


class Turn(NamedTuple):
    """What a check says of one case with its threshold just below a number, at it, and just above.

    `number` is what was observed, or None where it was computed and lies between two numbers of the machine.
    """

    number: float | None
    below: tuple[str, str]
    at: tuple[str, str] | None
    above: tuple[str, str]


class _Watched:
    """A table of limits that keeps the names that were read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._limits, name)


def _seen(system: str, case: Case) -> dict[str, Observation[Any]]:
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    return {name: taken(specs[name], saved) for name, saved in case.saved.items()}


def thresholds(system: str) -> dict[tuple[str, str], list[tuple[Case, dict[str, Observation[Any]]]]]:
    """Check and threshold → the cases in which the check reads it."""
    checks, found = checks_of(system), dict[tuple[str, str], list[Any]]()
    for case in load(system):
        check = checks[case.check]
        if "limits" not in check.asks:
            continue
        limits, seen = limits_of(system, case.limits), _seen(system, case)
        watched = _Watched(limits)
        judged(check, watched, seen)  # type: ignore[arg-type]
        for name in watched.read:
            if name in case.limits and not isinstance(getattr(limits, name), Window):
                found.setdefault((case.check, name), []).append((case, seen))
    return found


def turns(
    system: str, check: Check, name: str, case: Case, seen: Mapping[str, Observation[Any]]
) -> Iterator[Turn]:
    """Where the outcome changes as nothing but this threshold does."""
    limits = limits_of(system, case.limits)
    limit = getattr(limits, name)

    def at(value: float) -> tuple[str, str]:
        instead = limit.model_copy(update={"value": value})
        outcome = judged(check, limits.model_copy(update={name: instead}), seen)
        return outcome.verdict.value, outcome.reason

    grid = sorted({*_GRID, limit.value})
    said = [at(value) for value in grid]
    for (low, below), (high, above) in pairwise(zip(grid, said, strict=True)):
        if below != above:
            yield _narrowed(at, low, high, _observed(case))


def _narrowed(at: Any, low: float, high: float, spans: set[int]) -> Turn:
    """The turn between two values that are said to differ."""
    below, above = at(low), at(high)
    while (middle := (low + high) / 2) not in (low, high):
        if at(middle) == below:
            low = middle
        else:
            high, above = middle, at(middle)
    exact = [value for value in (low, high) if len(f"{value!r}") <= _EXACT]
    if not exact:  # times are compared in whole microseconds
        first = math.floor(high * 1e6)
        exact = [micro / 1e6 for micro in (first, first + 1) if micro in spans]
    if len(exact) != 1:
        return Turn(None, below, None, above)
    number = exact[0]
    step = max(abs(number) * 1e-9, 2e-6)
    return Turn(number, at(number - step), at(number), at(number + step))


def _observed(case: Case) -> set[int]:
    """Microseconds between any two times of the evidence."""
    times = {datetime.fromisoformat(saved["at"]) for saved in case.saved.values()}

    def find(value: Any) -> None:
        if isinstance(value, dict):
            for each in value.values():
                find(each)
        elif isinstance(value, list):
            for each in value:
                find(each)
        elif isinstance(value, str) and len(value) >= len("2026-11-29T00:00:00Z") and value[4:5] == "-":
            try:
                times.add(datetime.fromisoformat(value))
            except ValueError:
                return

    for saved in case.saved.values():
        find(saved["value"])
    aware = sorted(t for t in times if t.tzinfo is not None)
    return {round((b - a).total_seconds() * 1e6) for a in aware for b in aware if b >= a}

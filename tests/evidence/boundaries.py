"""Where recorded evidence turns: for each threshold of each check, rows below it, at it and above it, generated."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from opsverify.model.limits import Limits, Window
from tests.evidence.recording import SYSTEMS, checks_of, judged, limits_of, load, taken
from tests.evidence.weaken import ANOTHERS, moved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from opsverify.model.check import Check
    from opsverify.model.observation import Observation
    from tests.evidence.recording import Case

    Looked: TypeAlias = tuple[Case, dict[str, Observation[Any]]]

__all__ = ["Turn", "thresholds", "turn_of"]

_STEPS = (0.0, 0.01, 0.1, 0.3, 0.6, 0.9, 1.0, 1.2, 2.0, 5.0, 20.0, 100.0, 1000.0)
"""Of the value that a limit has: between two of them that differ lies the boundary."""
_OF_ZERO = 10_000.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NARROW = 4e-7
_DECIMALS = 6
"""A number with at most so many was observed, or counted from what was; a time has as many in seconds."""


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


def thresholds(system: str) -> dict[tuple[str, str], list[Looked]]:
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


def turn_of(system: str, check: Check, name: str, cases: list[Looked]) -> Turn | None:
    """Where what a check says of a case turns from or to PASS, as nothing but this threshold changes; None: nowhere.

    Where no recorded case turns, one is looked for in which a time of the evidence is earlier or later than it was.
    """
    found = None
    for case, seen in chain(cases, _moved(system, name, cases)):
        for turn in _turns(system, check, name, case, seen):
            if turn.at is not None:
                return turn
            found = found or turn
    return found


def _turns(
    system: str, check: Check, name: str, case: Case, seen: Mapping[str, Observation[Any]]
) -> Iterator[Turn]:
    limits = limits_of(system, case.limits)
    limit = getattr(limits, name)

    def at(value: float) -> tuple[str, str]:
        instead = limit.model_copy(update={"value": value})
        outcome = judged(check, limits.model_copy(update={name: instead}), seen)
        verdict = ANOTHERS if outcome.reason.endswith(ANOTHERS) else outcome.verdict.value
        return verdict, outcome.reason

    grid = [step * (limit.value or _OF_ZERO) for step in _STEPS]
    said = [at(value) for value in grid]
    for (low, below), (high, above) in pairwise(zip(grid, said, strict=True)):
        if below[0] != above[0] and "PASS" in {below[0], above[0]} and ANOTHERS not in {below[0], above[0]}:
            yield _narrowed(at, low, high, _times(case))


def _moved(system: str, name: str, cases: list[Looked]) -> Iterator[Looked]:
    """The first case that passes, with one time or number of one observation on the other side of the limit."""
    specs = {spec.name: spec for spec in SYSTEMS[system].observations}
    case, seen = next((each for each in cases if each[0].verdict == "PASS"), cases[0])
    limit = getattr(limits_of(system, case.limits), name).value
    for observed, saved in case.saved.items():
        for times in (3.0, -3.0, 0.5):
            for value in moved(saved["value"], times * limit):
                instead = {**saved, "value": value}
                with suppress(ValidationError):
                    yield (
                        replace(case, saved={**case.saved, observed: instead}),
                        {**seen, observed: taken(specs[observed], instead)},
                    )


def _narrowed(at: Any, low: float, high: float, times: set[int]) -> Turn:
    """The turn between two values that are said to differ."""
    below, above = at(low), at(high)
    while high - low > _NARROW and (middle := (low + high) / 2) not in (low, high):
        if at(middle) == below:
            low = middle
        else:
            high, above = middle, at(middle)
    near = {round(low, _DECIMALS), round(high, _DECIMALS)}
    exact = [v for v in near if at(math.nextafter(v, -math.inf)) != at(math.nextafter(v, math.inf))]
    if not exact:  # times are compared in whole microseconds: it lies half-way between two of them
        first = math.floor(high * 1e6)
        exact = [m / 1e6 for m in (first, first + 1) if any(time + m in times for time in times)]
    if len(exact) != 1:
        return Turn(None, below, None, above)
    number = exact[0]
    step = max(abs(number) * 1e-9, 2e-6)
    return Turn(number, at(number - step), at(number), at(number + step))


def _times(case: Case) -> set[int]:
    """The times of the evidence, in microseconds of the epoch."""
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
    return {(t - _EPOCH) // timedelta(microseconds=1) for t in times if t.tzinfo is not None}

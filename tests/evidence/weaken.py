"""Weaker evidence: a saved value with one element less, one time that is not of now, one number that is none."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANOTHERS", "Weakened", "moved", "weaken"]

ANOTHERS = "-judged"
"""How a reason ends where another check fails for it: two that part one limit, of which the worse is said once."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LONG = timedelta(days=400)  # beyond any limit


class Weakened(NamedTuple):
    """`where` is the place in the value, with `[]` for any element of a list; `how` is what was done there."""

    where: str
    how: str
    value: Any


def weaken(value: Any, most: int) -> Iterator[Weakened]:
    """Each way to weaken a value in its saved (JSON) form, at most so many of one kind (the same place and way)."""
    made = Counter[tuple[str, str]]()
    for path, found in _places(value, ()):
        where = _shown(path)
        for how, instead in _ways(found):
            made[where, how] += 1
            if made[where, how] <= most:
                yield Weakened(where, how, _replaced(value, path, instead))
        made[where, "gone"] += 1
        if path and made[where, "gone"] <= most:
            yield Weakened(where, "gone", _without(value, path))


def moved(value: Any, by: float) -> Iterator[Any]:
    """The value with one of its times later by so many seconds, or with one of its numbers so large: of each place the first."""
    met = set[str]()
    for path, found in _places(value, ()):
        where = _shown(path)
        if where in met or isinstance(found, bool):
            continue
        if isinstance(found, str) and _TIME.fullmatch(found):
            met.add(where)
            with suppress(OverflowError):
                at = datetime.fromisoformat(found) + timedelta(seconds=by)
                yield _replaced(value, path, at.isoformat())
        elif isinstance(found, int | float):
            met.add(where)
            yield _replaced(value, path, int(by) if isinstance(found, int) else by)


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items() if value.keys() != {"bytes"} else ():  # a word of Redis is one thing
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _places(item, (*path, number))


def _ways(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, str) and _TIME.fullmatch(found):
        at = datetime.fromisoformat(found)
        yield "older", (at - _LONG).isoformat()
        yield "newer", (at + _LONG).isoformat()
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield "NaN", "NaN"
    elif found is not None and not isinstance(found, list | dict):
        yield "none", None
    elif isinstance(found, list | dict) and found and "bytes" not in found:
        yield "empty", type(found)()


def _shown(path: tuple[Any, ...]) -> str:
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path)


def _replaced(value: Any, path: tuple[Any, ...], instead: Any) -> Any:
    if not path:
        return instead
    head, *rest = path
    inner = _replaced(value[head], tuple(rest), instead)
    if isinstance(value, dict):
        return {**value, head: inner}
    return [*value[:head], inner, *value[head + 1 :]]


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    head, *rest = path
    if rest:
        inner = _without(value[head], tuple(rest))
        return (
            {**value, head: inner} if isinstance(value, dict) else [*value[:head], inner, *value[head + 1 :]]
        )
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key != head}
    return [*value[:head], *value[head + 1 :]]

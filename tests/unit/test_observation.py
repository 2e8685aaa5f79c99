"""Observations are declared so that their functions fit, and their values are saved without loss."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.deadline import seconds
from opsverify.model.observation import (
    Bracketed,
    ErrorKind,
    Observation,
    ObservationSpec,
    Observed,
    Unobservable,
    observation,
    record_source,
    record_sources,
)


class Seen(Observed):
    """A value of every awkward sort."""

    number: float
    raw: bytes
    text: str
    parts: tuple[int, ...] = ()
    identity: str = ""


async def plain(lamp: Any) -> Seen:
    """A plain one."""
    raise NotImplementedError(lamp)


async def windowed(lamp: Any, window: timedelta) -> tuple[Seen, ...]:
    """A windowed one."""
    raise NotImplementedError(lamp, window)


async def acting(lamp: Any, press: Any) -> Seen:
    """An active one."""
    raise NotImplementedError(lamp, press)


async def nothing() -> Seen:
    """One that observes nobody."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "declaration", "told"),
    [
        (nothing, {}, r"observation nothing takes \[\]"),
        (windowed, {}, r"takes \['lamp', 'window'\]; it should take \['<system>'\]"),
        (plain, {"window": "window"}, r"should take \['<system>', 'window'\]"),
        (plain, {"active": "press"}, r"should take \['<system>', 'press'\]"),
        (acting, {"active": "pull"}, r"should take \['<system>', 'pull'\]"),
        (acting, {"active": "press", "window": "window"}, r"should take \['<system>', 'press', 'window'\]"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(
    function: Any, declaration: dict[str, Any], told: str
) -> None:
    """A declaration whose parameters do not fit is refused with those that would."""
    with pytest.raises(TypeError, match=told):
        observation(of="bulb", deadline=seconds(1), **declaration)(function)


def test_a_declaration_keeps_what_it_was_told() -> None:
    """Name, system, surfaces, meaning and place come from the function and its declaration."""
    spec = observation(of=("bulb", "switch"), deadline=seconds(2), window="window")(windowed)
    assert (spec.name, spec.system, spec.surfaces, spec.window) == (
        "windowed",
        "lamp",
        ("bulb", "switch"),
        "window",
    )
    assert spec.meaning == "A windowed one."
    assert __file__ in spec.declared_in
    assert observation(of="bulb", deadline=seconds(2))(plain).surfaces == ("bulb",)


FLOATS = st.floats(allow_nan=True, allow_infinity=True)
SEEN = st.builds(
    Seen,
    number=FLOATS,
    raw=st.binary(max_size=20),
    text=st.text(max_size=20),
    parts=st.lists(st.integers(), max_size=3).map(tuple),
)


def same(one: Seen, other: Seen) -> bool:
    """Whether two values are equal, NaN included."""
    numbers = one.number == other.number or (math.isnan(one.number) and math.isnan(other.number))
    return numbers and (one.raw, one.text, one.parts) == (other.raw, other.text, other.parts)


@given(SEEN)
def test_saved_values_come_back(value: Seen) -> None:
    """A value survives its saved form, with NaN, infinities and bytes."""
    spec = observation(of="bulb", deadline=seconds(1))(plain)
    assert same(spec.adapter.validate_json(spec.adapter.dump_json(value)), value)


@given(SEEN, SEEN)
def test_saved_identities_come_back_with_both_ends(first: Seen, last: Seen) -> None:
    """An identity is saved with what was seen first and last."""
    spec = observation(of="bulb", deadline=seconds(1), identity=True)(plain)
    back = spec.adapter.validate_json(spec.adapter.dump_json(Bracketed[Seen](first=first, last=last)))
    assert same(back.first, first)
    assert same(back.last, last)


@given(st.lists(SEEN, max_size=3).map(tuple))
def test_saved_collections_come_back(values: tuple[Seen, ...]) -> None:
    """A collection of values is saved like a single one."""
    spec = observation(of="bulb", deadline=seconds(1), window="window")(windowed)
    back = spec.adapter.validate_json(spec.adapter.dump_json(values))
    assert all(same(a, b) for a, b in zip(back, values, strict=True))


def test_an_observation_has_a_value_or_a_reason() -> None:
    """A value is returned; where there is none, asking for it raises the reason."""
    there = Observation("a", "lamp", ("bulb",), 3, datetime.now(UTC))
    gone: Observation[int] = Observation(
        "a", "lamp", ("bulb",), Unobservable(ErrorKind.SILENT, "nothing came"), datetime.now(UTC)
    )
    assert there.value == 3
    assert there.unobservable is None
    with pytest.raises(Unobservable, match="silent: nothing came"):
        _ = gone.value


def test_each_reason_belongs_to_one_group() -> None:
    """What does not apply is never unreachable, and everything unreachable but a reply is cut off."""
    for kind in ErrorKind:
        assert not (kind.not_applicable and (kind.unreachable or kind.cut_off))
    assert {k for k in ErrorKind if k.unreachable and not k.cut_off} == {
        ErrorKind.SERVER_ERROR,
        ErrorKind.CERTIFICATE_EXPIRED,
    }


async def test_what_is_asked_is_kept_per_task() -> None:
    """Probes are recorded once each, in order, bounded, and not mixed between tasks."""

    async def ask(name: str) -> list[str]:
        probes = record_sources()
        for number in (*range(50), 0):
            record_source(f"{name} {number}")
            await asyncio.sleep(0)
        return probes

    for name, probes in zip("ab", await asyncio.gather(ask("a"), ask("b")), strict=True):
        assert probes == [f"{name} {n}" for n in range(40)]


def test_a_spec_is_compared_by_its_declaration() -> None:
    """The docstring does not make another observation."""
    one = ObservationSpec("a", "lamp", ("bulb",), seconds(1), plain, meaning="one")
    assert one == ObservationSpec("a", "lamp", ("bulb",), seconds(1), plain, meaning="other")

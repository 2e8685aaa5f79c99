"""Waiting is bounded, and says what it waited for and what it saw."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from opsverify.model.deadline import Deadline, DeadlinePassed, eventually, seconds


def test_a_deadline_counts_down_to_zero() -> None:
    """What remains is never negative, and a deadline of no time has passed at once."""
    assert seconds(1.5) == timedelta(seconds=1.5)
    over, ahead = Deadline(seconds(0)), Deadline(seconds(60))
    assert over.passed
    assert over.remaining == timedelta(0)
    assert not ahead.passed
    assert seconds(50) < ahead.remaining <= seconds(60)


async def test_it_returns_the_first_value_that_holds() -> None:
    """The value that holds is returned at the look that saw it."""
    looks = iter(range(10))

    async def look() -> int:
        return next(looks)

    assert (
        await eventually(look, lambda n: n == 3, expected="three", within=seconds(5), every=seconds(0.001))
        == 3
    )
    assert next(looks) == 4


async def test_the_end_names_what_was_expected_and_last_seen() -> None:
    """A wait that ends without success names the expectation, the last value in short, and the number of
    tries.
    """

    async def look() -> int:
        return 41

    with pytest.raises(
        DeadlinePassed, match=r"expected forty-two within 0\.1 s; last seen after \d+ tries: <41>"
    ) as caught:
        await eventually(
            look,
            lambda n: n == 42,
            expected="forty-two",
            within=seconds(0.1),
            every=seconds(0.01),
            shown=lambda n: f"<{n}>",
        )
    assert caught.value.last == "<41>"
    assert 2 <= caught.value.tries <= 11
    assert isinstance(caught.value, TimeoutError)


async def test_a_look_that_hangs_is_bounded() -> None:
    """A look that never ends costs the deadline and no more."""
    start = time.monotonic()
    with pytest.raises(DeadlinePassed, match="last seen after 0 tries: nothing"):
        await eventually(lambda: asyncio.sleep(3600), lambda _: True, expected="an end", within=seconds(0.1))
    assert time.monotonic() - start < 5


async def test_what_a_look_raises_comes_through() -> None:
    """An error of the look is not taken for a look that saw nothing."""

    async def look() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        await eventually(look, lambda _: True, expected="x", within=seconds(1))

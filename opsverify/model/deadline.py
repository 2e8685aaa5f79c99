"""Deadlines on a monotonic clock, and waiting until something holds, with the last thing seen."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Deadline", "DeadlinePassed", "eventually", "seconds"]

T = TypeVar("T")


def seconds(amount: float) -> timedelta:
    """A duration of `amount` seconds."""
    return timedelta(seconds=amount)


class DeadlinePassed(TimeoutError):
    """A wait ended without what it waited for. `last` is the last thing seen, `tries` how often it was looked at."""

    def __init__(self, expected: str, *, within: timedelta, last: object, tries: int) -> None:
        self.expected, self.within, self.last, self.tries = expected, within, last, tries
        super().__init__(
            f"expected {expected} within {within.total_seconds():g} s; last seen after {tries} tries: {last}"
        )


class Deadline:
    """A point on the monotonic clock, `within` from its construction."""

    def __init__(self, within: timedelta) -> None:
        self.within = within
        self._start = time.monotonic()

    @property
    def elapsed(self) -> timedelta:
        """Time since the start."""
        return timedelta(seconds=time.monotonic() - self._start)

    @property
    def remaining(self) -> timedelta:
        """Time left, never negative."""
        return max(self.within - self.elapsed, timedelta(0))

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.elapsed >= self.within


async def eventually(
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], bool],
    *,
    expected: str,
    within: timedelta,
    every: timedelta = timedelta(milliseconds=50),
    shown: Callable[[T], str] = str,
) -> T:
    """Look again and again until `holds(value)`, and return that value.

    Each look is bounded by what is left of `within`; `shown` says a value in short.

    Raises:
        DeadlinePassed: naming `expected`, the last value seen, and the number of tries.
    """
    deadline, tries, last = Deadline(within), 0, "nothing (no look was completed)"
    while not deadline.passed:
        try:
            async with asyncio.timeout(deadline.remaining.total_seconds()):
                value = await look()
        except TimeoutError:
            break
        tries += 1
        if holds(value):
            return value
        last = shown(value)
        await asyncio.sleep(min(every, deadline.remaining).total_seconds())
    raise DeadlinePassed(expected, within=within, last=last, tries=tries)

"""Progress on a terminal: the endpoints that have not answered yet, against their deadlines."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import pytest

from opsverify.model.text import clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from opsverify.model.deadline import Deadline
    from opsverify.model.observation import ObservationSpec
    from opsverify.run.gather import Gatherer

__all__ = ["progress_line", "wait_line"]

_EVERY = 0.2
_MOST = 4


def wait_line(in_flight: Iterable[tuple[ObservationSpec, Deadline]], width: int) -> str:
    """One line: each endpoint still awaited, how long it has been asked, and when its deadline ends the wait."""
    longest: dict[str, Deadline] = {}
    for spec, clock in in_flight:
        for surface in spec.surfaces:
            key = f"{spec.system}.{surface}"
            if key not in longest or clock.remaining > longest[key].remaining:
                longest[key] = clock
    waits = [
        f"{name} {clock.elapsed.total_seconds():.0f} of {clock.within.total_seconds():.0f} s"
        for name, clock in sorted(longest.items(), key=lambda each: each[1].remaining, reverse=True)
    ]
    more = f" · and {len(waits) - _MOST} more" if len(waits) > _MOST else ""
    return clean_text(f"awaiting {' · '.join(waits[:_MOST])}{more}")[: max(width - 1, 0)] if waits else ""


@asynccontextmanager
async def progress_line(config: pytest.Config, gatherer: Gatherer) -> AsyncIterator[None]:
    """Show the endpoints that are awaited in a line on the terminal. Does nothing without a terminal."""
    terminal: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not terminal.isatty or os.environ.get("TERM") == "dumb":
        yield
        return
    line = _Line(config)
    showing = asyncio.create_task(_show(line, gatherer))
    try:
        yield
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        line.erase()


async def _show(line: _Line, gatherer: Gatherer) -> None:
    await asyncio.sleep(_EVERY)  # a run that is quick shows nothing
    while True:
        line.write(wait_line(gatherer.in_flight.values(), line.width))
        await asyncio.sleep(_EVERY)


class _Line:
    """A status line below the output of pytest, erased afterwards."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._below = False

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        try:
            return os.get_terminal_size().columns
        except OSError:
            return 80

    def write(self, text: str) -> None:
        """Replace the line by `text`."""
        # Cursor sequences are no colours: NO_COLOR does not speak of them, and there is a terminal.
        # Index and up again: room for one line below is made without leaving the column, which is then remembered.
        start = "\r\x1b[2K" if self._below else "\x1bD\x1b[1A\x1b7\n"
        self._out(f"{start}{text}")
        self._below = True

    def erase(self) -> None:
        """Erase the line, and go back to where pytest was."""
        if self._below:
            self._out("\r\x1b[2K\x1b8")
            self._below = False

    def _out(self, text: str) -> None:
        # Past pytest's own writer: it counts what it has written on its line, and this is on another one.
        uncaptured = nullcontext() if self._capture is None else self._capture.global_and_fixture_disabled()
        with uncaptured:
            sys.stdout.write(text)
            sys.stdout.flush()

"""Terminal output of `--watch`: a line for each round, and the progress between rounds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from opsverify.commands.watch import Round, Watch
    from opsverify.model.exit_codes import Exit

__all__ = ["Screen"]

_RED, _GREEN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"
_MOST_RED = 5


class Screen:
    """Writes to `stream`: lines always, a live last line and colours only where that is a terminal."""

    def __init__(self, stream: TextIO, whole: timedelta, every: timedelta) -> None:
        self._stream, self._whole, self._every = stream, whole, every
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._live and not os.environ.get("NO_COLOR")
        self._shown = False

    def start(self, folder: Path) -> None:
        """Duration, interval and folder of the watch."""
        self._line(
            f"watching for {_duration_text(self._whole)}, a run every {_duration_text(self._every)}; runs are kept in {folder}"
        )

    def round_started(self, number: int) -> None:
        """A round has started."""
        self._status(f"round {number}: looking …")

    def round_ended(self, done: Round, meaning: str) -> None:
        """A round is over."""
        counts = (
            " ".join(f"{number} {verdict}" for verdict, number in done.counts.items()) or "nothing was judged"
        )
        text = f"{done.started:%H:%M:%SZ}  round {done.number:<4} exit {done.status:<3} {counts}  in {done.took.total_seconds():.1f} s  {meaning}"
        self._line(text, "" if not self._colours else _GREEN if done.status == 0 else _RED)
        for line in done.red[:_MOST_RED]:
            self._line(f"             {line}")
        if len(done.red) > _MOST_RED:
            self._line(f"             … and {len(done.red) - _MOST_RED} more")

    def waiting(self, until_next: timedelta, until_end: timedelta, meaning: str) -> None:
        """Between two rounds; shown on a terminal only."""
        self._status(
            f"{meaning} · next look in {_clock(until_next)} · watching for another {_clock(until_end)}"
        )

    def end(self, status: Exit, meaning: str, series: Watch) -> None:
        """The watch is over."""
        self._line(
            f"exit {int(status)}: {meaning}", "" if not self._colours else _GREEN if status == 0 else _RED
        )
        newest = next((r.folder for r in reversed(series.rounds) if r.folder), None)
        self._line(f"watch    {series.folder / 'watch.json'}")
        if newest is not None:
            self._line(f"html     {newest / 'report.html'}")
        if series.bundle is not None and series.bundle.is_file():
            self._line(f"bundle   {series.bundle}")

    def _line(self, text: str, colour: str = "") -> None:
        self._clear()
        text = bounded_text(text, 400)
        self._stream.write(f"{colour}{text}{_PLAIN if colour else ''}\n")
        self._stream.flush()

    def _status(self, text: str) -> None:
        if not self._live:
            return
        self._clear()
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns
        except OSError:
            width = 80
        self._stream.write(bounded_text(text, 400)[: max(width - 1, 10)])
        self._stream.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[2K")
            self._shown = False


def _duration_text(length: timedelta) -> str:
    amount = length.total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if amount >= size and amount % size == 0:
            return f"{amount / size:g} {unit}"
    return f"{amount:g} s"


def _clock(length: timedelta) -> str:
    whole = int(length.total_seconds() + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"

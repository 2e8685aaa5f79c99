"""Ctrl-C outside the part of a run that pytest guards: exit status 2 and one line, never a traceback.

A process goes through three of these: `loading` (nothing was looked at, nothing has to be undone), then Python's own
way, by which pytest ends the run in good order, then `closing` (undo and reports are carried to their end), then `over`.
PYTEST_DONT_REWRITE: it is loaded before pytest could.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # typing itself takes a while to load, in which nobody would answer
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

__all__ = ["before_end", "closed", "closing", "is_pytest", "loaded", "loading", "over", "replace_process"]

_STATUS = 2
_ENOUGH = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LINE = b"\ninterrupted before anything was looked at (exit 2)\n"
_OWN_WAYS = {signal.default_int_handler, signal.SIG_DFL}
_undoing: list[Callable[[], object]] = []
_stderr: list[int] = []  # the real one: pytest captures its number while it reads conftest files
_replaced: dict[int, Any] = {}


def loading() -> None:
    """From here on a signal ends the process at once, if this process is pytest's own and nobody else handles it."""
    if is_pytest() and not _stderr:
        _stderr.append(os.dup(2))
        for number in _SIGNALS:
            if signal.getsignal(number) in _OWN_WAYS:
                signal.signal(number, _end_at_once)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # see `replace_process`


def replace_process(argv: list[str]) -> NoReturn:
    """Run another Python program in place of this one; a signal in between waits until that one calls `loading`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    os.execv(argv[0], argv)  # noqa: S606 - our own words


def before_end(undo: Callable[[], object]) -> None:
    """Have `undo` called where a signal ends the process at once: for what must not stay of a run that never began."""
    _undoing.append(undo)


def loaded() -> None:
    """From here on signals take Python's own way again. Can be called at any time."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _end_at_once:
            own = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, own)
    while _stderr:
        os.close(_stderr.pop())
    _undoing.clear()


def closing(note: Callable[[], object]) -> None:
    """From here on a signal calls `note`, and what is under way goes on; the third one in a row breaks it off.

    Ctrl-C that is ignored stays ignored. Outside the main thread, which alone hears signals, nothing changes.
    """
    pressed: list[int] = []

    def go_on(number: int, frame: object) -> None:
        pressed.append(number)
        note()
        if len(pressed) >= _ENOUGH:
            signal.default_int_handler(number, frame)  # type: ignore[arg-type]

    import threading  # noqa: PLC0415 -- not while it loads

    if _replaced or threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            _replaced[number] = signal.signal(number, go_on)


def closed() -> None:
    """What `closing` has replaced is as before it."""
    while _replaced:
        signal.signal(*_replaced.popitem())


def over() -> None:
    """The exit status is decided and everything is written: nothing interrupts the last steps of pytest's own process."""
    if is_pytest():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def is_pytest() -> bool:
    """Whether this process is pytest's own, and not that of a program which calls it."""
    # While Python looks for the module of `python -m opsverify`, the program is called "-m".
    program = sys.argv[0].removesuffix("/__main__.py") if sys.argv else ""
    return program.rpartition("/")[2] in ("pytest", "py.test", "opsverify", "-m")


def _end_at_once(_number: int, _frame: object) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for undo in reversed(_undoing):
        undo()
    os.write(_stderr[-1], _LINE)
    os._exit(_STATUS)

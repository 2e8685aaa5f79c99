"""Ctrl-C, SIGTERM and SIGHUP outside the part of a run that pytest handles: exit status 2 and one line, no traceback.

Phases of a process: `loading` (a signal ends it at once, nothing has to be undone), `loaded` (Python's own handlers, by
which pytest ends the run in order), `closing` (undo and reports run to their end), `over` (signals are ignored).
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
    """Have a signal end the process at once, if it is pytest's own and the signal has no other handler."""
    if is_pytest() and not _stderr:
        _stderr.append(os.dup(2))
        for number in _SIGNALS:
            if signal.getsignal(number) in _OWN_WAYS:
                signal.signal(number, _end_at_once)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # see `replace_process`


def replace_process(argv: list[str]) -> NoReturn:
    """Replace this process by another Python program; a signal in between waits until that one calls `loading`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    os.execv(argv[0], argv)  # noqa: S606 - our own words


def before_end(undo: Callable[[], object]) -> None:
    """Register `undo` for a signal that ends the process at once: it removes what a run that never began must not leave."""
    _undoing.append(undo)


def loaded() -> None:
    """Restore Python's own signal handlers. Can be called at any time."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _end_at_once:
            own = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, own)
    while _stderr:
        os.close(_stderr.pop())
    _undoing.clear()


def closing(note: Callable[[], object]) -> None:
    """Have a signal call `note` while the work goes on; the third one interrupts it.

    A SIGINT that is ignored stays ignored. Does nothing outside the main thread, the only one that receives signals.
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
    """Restore the handlers that `closing` replaced."""
    while _replaced:
        signal.signal(*_replaced.popitem())


def over() -> None:
    """Ignore signals: the exit status is decided and everything is written."""
    if is_pytest():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def is_pytest() -> bool:
    """Whether this process is pytest itself, not a program that calls it."""
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

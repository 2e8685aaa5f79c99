"""Python's garbage collector while a run starts: what is loaded and collected then stays, and need not be looked through.

PYTEST_DONT_REWRITE: it is loaded before pytest could.
"""

from __future__ import annotations

import gc

__all__ = ["left_alone", "of_the_run"]

_waiting: list[bool] = []


def left_alone() -> None:
    """From here on nothing is looked for: loading makes modules and classes, and hardly any garbage."""
    if gc.isenabled():
        gc.disable()
        _waiting.append(True)


def of_the_run() -> None:
    """From here on garbage is collected as ever, without what there is by now: at its end pytest looks twice through all."""
    if _waiting:
        _waiting.clear()
        gc.freeze()
        gc.enable()

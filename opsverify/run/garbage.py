"""Python's garbage collector while a run starts: what is loaded and collected then stays, and need not be looked through.

PYTEST_DONT_REWRITE: it is loaded before pytest could.
"""

from __future__ import annotations

import gc

__all__ = ["pause", "resume"]

_waiting: list[bool] = []


def pause() -> None:
    """From here on nothing is looked for: loading makes modules and classes, and hardly any garbage."""
    if gc.isenabled():
        gc.disable()
        _waiting.append(True)


def resume() -> None:
    """From here on garbage is collected as ever, without what there is by now: at its end pytest looks twice through all."""
    if _waiting:
        _waiting.clear()
        gc.freeze()
        gc.enable()

"""Garbage collection paused while a run starts: loaded modules and collected tests stay, so scanning them is wasted.

PYTEST_DONT_REWRITE: it is loaded before pytest could.
"""

from __future__ import annotations

import gc

__all__ = ["pause", "resume"]

_waiting: list[bool] = []


def pause() -> None:
    """Disable the collector: loading makes modules and classes, and hardly any garbage."""
    if gc.isenabled():
        gc.disable()
        _waiting.append(True)


def resume() -> None:
    """Enable the collector and exempt all that exists by now: pytest would scan it twice at its end."""
    if _waiting:
        _waiting.clear()
        gc.freeze()
        gc.enable()

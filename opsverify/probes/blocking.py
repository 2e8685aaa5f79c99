"""Blocking libraries called beside the event loop, in a daemon thread that is abandoned at its deadline."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread"]

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a blocking function in a thread of its own and await its result; what it raises is raised here.

    When the awaiting task is cancelled (its deadline has passed) the thread is abandoned: as a daemon it keeps neither the
    event loop nor the process from ending. Give the library a timeout of its own all the same.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    outcomes: list[tuple[R | None, BaseException | None]] = []  # one: the future would keep an error for ever
    context = contextvars.copy_context()

    def settle(result: R | None, error: BaseException | None) -> None:
        if not finished.done():
            outcomes.append((result, error))
            finished.set_result(None)

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as raised:  # noqa: BLE001 - it is raised again where the result is awaited
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop has ended: the result is no longer awaited
            return
        finally:
            del error  # its traceback holds this frame, and what the function had open with it

    threading.Thread(target=work, name=f"opsverify-{function.__name__}", daemon=True).start()
    await finished
    result, error = outcomes.pop()
    if error is None:
        return result  # type: ignore[return-value]
    try:
        raise error
    finally:
        del error

"""A blocking library beside the event loop: its result, its error, and an end that does not wait for it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from opsverify.model.deadline import eventually
from opsverify.model.observation import record_source, record_sources
from opsverify.probes.blocking import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


class Connection:
    """What a library has open while it works."""


@contextmanager
def no_collector() -> Iterator[None]:
    """Nothing is freed but by its last reference."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_the_result_comes_back() -> None:
    """The function's result is the awaited one."""

    def add(a: int, *, b: int) -> int:
        return a + b

    assert await in_thread(add, 1, b=2) == 3


async def test_what_it_raises_is_raised_where_it_is_awaited() -> None:
    """An error of the function is raised in the awaiting task."""

    def fails() -> None:
        msg = "no such host"
        raise OSError(msg)

    with pytest.raises(OSError, match="no such host"):
        await in_thread(fails)


@pytest.mark.parametrize("awaited", [True, False], ids=["awaited", "given up"])
async def test_what_a_failed_call_had_open_goes_with_it(*, awaited: bool) -> None:
    """No reference cycle keeps its frames, and so the sockets in them, until the collector comes by."""
    held, may_fail = list[weakref.ref[Connection]](), threading.Event()
    if awaited:
        may_fail.set()

    def fails() -> None:
        connection = Connection()
        held.append(weakref.ref(connection))
        may_fail.wait(10)
        msg = "no such host"
        raise OSError(msg)

    async def is_held() -> bool:
        return held[0]() is not None

    with no_collector():
        with pytest.raises(OSError if awaited else TimeoutError, match="no such host" if awaited else None):
            async with asyncio.timeout(5 if awaited else 0.1):
                await in_thread(fails)
        may_fail.set()
        await eventually(is_held, lambda still: not still, expected="freed", within=timedelta(seconds=5))


async def test_what_it_asks_is_recorded_for_the_observation() -> None:
    """Probes named in the thread stand in the observation's source."""
    probes = record_sources()
    await in_thread(record_source, "cat /var/log/app.log")
    assert probes == ["cat /var/log/app.log"]


async def test_the_loop_goes_on_meanwhile() -> None:
    """Other tasks run while the function blocks."""
    blocked = asyncio.create_task(in_thread(time.sleep, 0.3))
    ticks = 0
    while not blocked.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 5


def test_the_process_ends_within_a_second_of_the_deadline() -> None:
    """A call that never returns keeps neither the loop nor the process from ending."""
    program = (
        "import asyncio, time\n"
        "from opsverify.probes.blocking import in_thread\n"
        "async def main():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.5):\n"
        "            await in_thread(time.sleep, 60)\n"
        "    except TimeoutError:\n"
        "        print(f'ended {time.monotonic()}', flush=True)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    ended = float(done.stdout.split()[1])  # the monotonic clock is the machine's
    assert time.monotonic() - ended < 20

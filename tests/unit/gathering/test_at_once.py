"""All observations at once, within the slots of their endpoints, and what acts after them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import Observation, ObservationSpec, record_source
from opsverify.run.gather import Gatherer
from tests.unit.gathering.toy import SURFACES, Named, Toy, ToySection, gather, identity, site, spec, takes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def timed(specs: list[ObservationSpec]) -> float:
    """How long gathering these takes."""
    start = time.monotonic()
    await gather(specs)
    return time.monotonic() - start


async def test_everything_is_looked_at_at_once() -> None:
    """Twenty observations on twenty endpoints take about the time of one."""
    one = await timed([spec("o", takes(0.05))])
    many = await timed([spec(f"o{n}", takes(0.05), s) for n, s in enumerate(SURFACES)])
    assert many < 5 * one


async def test_each_is_given_the_client_of_its_site() -> None:
    """What a look asks is the site's own client."""
    given: list[object] = []

    async def look(toy: Toy) -> int:
        given.append(toy)
        return 1

    where = site()
    await gather([spec("a", look)], where)
    assert given == [where.client]


async def test_waiting_for_a_slot_is_free() -> None:
    """A hundred observations of one endpoint all succeed, though the last of them start after their deadline
    would be over.
    """
    seen = await gather([spec(f"o{n}", takes(0.4), within=1.5) for n in range(160)])
    assert [o.unobservable for o in seen.values() if o.unobservable] == []
    assert all(timedelta(0) < o.took < seconds(1.5) for o in seen.values())


async def test_requests_in_flight_are_limited() -> None:
    """No endpoint sees more than 32 looks at a time."""
    flying = most = 0

    async def look(_toy: Toy) -> int:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return 1

    await gather([spec(f"o{n}", look) for n in range(80)])
    assert most == 32


async def test_requests_in_flight_are_limited_on_every_surface() -> None:
    """An observation of two surfaces takes a slot of both."""
    flying = most = 0

    async def look(_toy: Toy) -> int:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return 1

    await gather([spec(f"o{n}", look, f"s{n % 10}", "s19") for n in range(80)])
    assert most == 32


async def test_two_orders_of_the_same_surfaces_do_not_wait_for_each_other() -> None:
    """Observations that name the same two surfaces in either order take their slots in one: none waits forever."""
    pairs = [("s0", "s1"), ("s1", "s0")]
    specs = [spec(f"o{n}", takes(0.001), *pairs[n % 2]) for n in range(128)]
    async with asyncio.timeout(5):
        seen = await gather(specs)
    assert [o.unobservable for o in seen.values() if o.unobservable] == []


async def test_a_window_does_not_count_against_the_deadline() -> None:
    """A windowed observation has its deadline after the window, and learns how long the window is."""

    async def look(_toy: Toy, window: timedelta) -> float:
        await asyncio.sleep(window.total_seconds())
        return window.total_seconds()

    seen = (await gather([spec("o", look, within=0.15, window="window")]))["o"]
    assert seen.value == 0.2
    assert seen.window == seconds(0.2)


async def test_active_ones_run_alone_and_after_all_passive_ones() -> None:
    """What acts starts when everything passive is done, one after another, and before the identity is seen
    again.
    """
    order: list[str] = []

    async def who(_toy: Toy) -> Named:
        order.append("who")
        return Named(identity="a")

    async def passive(_toy: Toy) -> int:
        await asyncio.sleep(0.05)
        order.append("passive")
        return 1

    async def act(_toy: Toy, press: Callable[[], Awaitable[str]]) -> str:
        order.append("begin")
        await asyncio.sleep(0.01)
        order.append("end")
        return await press()

    seen = await gather(
        [
            spec("a", act, active="press"),
            spec("b", act, active="press"),
            spec("p", passive),
            spec("w", who, identity=True),
        ]
    )
    assert order == ["who", "passive", "begin", "end", "begin", "end", "who"]
    assert seen["a"].value == "clicked"


async def test_being_cancelled_is_not_swallowed() -> None:
    """A gathering that is cancelled ends at once, and what it began ends with it."""
    ended, both = [], asyncio.Barrier(3)

    async def look(_toy: Toy) -> None:
        try:
            await both.wait()
            await asyncio.sleep(3600)
        finally:
            ended.append(1)

    task = asyncio.create_task(gather([spec("a", look), spec("b", look)]))
    await both.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1, 1]


async def test_an_action_that_is_cancelled_ends_the_gathering() -> None:
    """Ctrl-C during an active observation is no reply of the target: nothing is looked at after it."""
    begun, first = [], asyncio.Event()

    async def act(_toy: Toy, press: Callable[[], Awaitable[str]]) -> str:
        begun.append(1)
        first.set()
        await asyncio.sleep(3600)
        return await press()

    task = asyncio.create_task(gather([spec("a", act, active="press"), spec("b", act, active="press")]))
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == [1]


async def test_each_is_told_as_soon_as_it_is_done() -> None:
    """Observations are reported when they are done, each once, identities when both ends are known, doubtful
    ones again.
    """
    told: list[tuple[str, str | None]] = []

    def done(declared: ObservationSpec, seen: Observation[Any]) -> None:
        told.append((declared.name, seen.unobservable.kind.value if seen.unobservable else None))

    specs = [
        spec("slow", takes(0.1), "s1"),
        spec("fast", takes(0)),
        spec("who", identity("a", "b"), identity=True),
    ]
    await Gatherer({"toy": site()}, done).gather(specs)
    assert told == [("fast", None), ("slow", None), ("fast", "identity-changed"), ("who", None)]


async def test_what_is_being_looked_at_is_told_until_it_is_done() -> None:
    """The observations in flight are those that run right now, each with its deadline."""
    during: dict[str, tuple[ObservationSpec, Deadline]] = {}

    async def look(_toy: Toy) -> int:
        during.update(gatherer.in_flight)
        return 1

    gatherer = Gatherer({"toy": site()}, lambda _s, _o: None)
    declared = spec("o", look, within=3)
    await gatherer.gather([declared])
    assert [(one, clock.within) for one, clock in during.values()] == [(declared, seconds(3))]
    assert gatherer.in_flight == {}


async def test_a_baseline_is_what_an_earlier_run_saved() -> None:
    """An observation with a baseline is given what was saved for it, the others nothing."""

    async def look(_toy: Toy, baseline: object) -> object:
        return baseline

    gatherer = Gatherer({"toy": site()}, lambda _s, _o: None, lambda one: f"{one.name} of yesterday")
    seen = await gatherer.gather([spec("o", look, baseline="o"), spec("p", takes(0))])
    assert [each.value for each in seen.values()] == ["o of yesterday", 1]


async def test_the_source_is_what_was_asked() -> None:
    """An observation carries what its own probes asked, when, of whom, and for how long."""

    async def look(_toy: Toy) -> int:
        record_source("XLEN a")
        await asyncio.sleep(0.01)
        record_source("XLEN b")
        return 1

    seen = await gather([spec("a", look), spec("b", takes(0), "s1")])
    assert seen["a"].source == ("XLEN a", "XLEN b")
    assert seen["a"].backend == "live toy://s0"
    assert seen["a"].took >= seconds(0.01)
    assert datetime.now(UTC) - seen["a"].at < seconds(60)
    assert seen["b"].source == ()


async def test_what_serves_each_surface_is_told_once() -> None:
    """An observation of several surfaces names the servers behind them, one server once."""
    owned = {"s0": "redis 7.2", "s1": "redis 7.2", "s2": "postgres 15"}
    seen = await gather([spec("a", takes(0), "s0", "s1", "s2", "s3")], site(backends=owned))
    assert seen["a"].backend == "redis 7.2 + postgres 15 + live toy://s3"


async def test_a_section_is_asked_once_for_its_addresses() -> None:
    """However many observations there are: a section with a thousand surfaces makes a thousand addresses each time."""
    times = []

    class Counting(ToySection):
        def addresses(self) -> dict[str, str]:
            times.append(1)
            return super().addresses()

    where = site(Counting())
    times.clear()
    await gather([spec(f"o{n}", takes(0), surface) for n, surface in enumerate(SURFACES)], where)
    assert len(times) == 2  # what is not configured, and what serves each surface
    where.section = Counting(left_out=("s0",))
    assert where.backend("s0") == "live (not configured)"


async def test_what_a_broken_look_asked_is_kept() -> None:
    """The question is known also where the answer never came."""

    async def look(_toy: Toy) -> int:
        record_source("XLEN a")
        raise ConnectionResetError

    assert (await gather([spec("a", look)]))["a"].source == ("XLEN a",)

"""Nothing that a target or a probe does stops the others: silence, errors of any kind, and what may not be looked at."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.run.gather import not_started
from tests.unit.gathering.toy import Toy, ToySection, gather, kinds, raises, site, spec, takes, trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opsverify.model.system import Site


async def test_no_answer_within_the_deadline_is_silence() -> None:
    """A look that is not done at its deadline is ended there; one that gives up by itself says so in its own words."""
    start = time.monotonic()
    seen = await gather(
        [
            spec("late", takes(5), within=0.05),
            spec("own", raises(TimeoutError("no reply in 3 s")), "s1", within=4),
            spec("fast", takes(0), "s2", within=4),
        ]
    )
    assert time.monotonic() - start < 4
    assert kinds(seen) == {"late": ErrorKind.SILENT, "own": ErrorKind.SILENT, "fast": None}
    assert trouble(seen["late"]).seen == "no complete answer within 0.05 s"
    assert trouble(seen["own"]).seen == "no reply in 3 s"


async def test_a_black_hole_costs_one_deadline() -> None:
    """One endpoint that hangs costs one deadline; those that wait for it end at once and name who found it
    silent.
    """
    within = 0.3
    specs = [spec(f"o{n}", takes(3600), within=within) for n in range(100)] + [spec("other", takes(0), "s1")]
    start = time.monotonic()
    seen = await gather(specs)
    assert time.monotonic() - start < 10 * within
    troubles = [o.unobservable for n, o in seen.items() if n != "other"]
    assert {t.kind for t in troubles if t} == {ErrorKind.SILENT}
    told = [t.seen for t in troubles if t]
    assert len(told) == 100
    assert sum("no complete answer within 0.3 s" in t for t in told) == 32
    assert sum(t.startswith("endpoint s0 did not answer before its deadline, see o") for t in told) == 68
    assert seen["other"].value == 1


async def press(_toy: Toy, press: Callable[[], Awaitable[str]]) -> str:
    """An action: it is looked at after everything passive."""
    return await press()


@pytest.mark.parametrize(
    ("first", "later", "told"),
    [
        ([("a", ("s0",))], ("s0",), "endpoint s0 did not answer before its deadline, see a"),
        ([("a", ("s1",))], ("s0", "s1"), "endpoint s1 did not answer before its deadline, see a"),
        ([("a", ("s0",)), ("b", ("s0",))], ("s0",), "endpoint s0 did not answer before its deadline, see a"),
        ([("a", ("s0",))], ("s1",), None),
        ([("a", ("s0", "s1"))], ("s0",), None),
    ],
    ids=["the same", "one of two", "the first one is named", "another", "nobody knows which of two"],
)
async def test_a_silent_endpoint_is_not_asked_again(
    first: list[tuple[str, tuple[str, ...]]], later: tuple[str, ...], told: str | None
) -> None:
    """What comes after a look that found an endpoint silent to its deadline ends at once, and names that look."""
    specs = [spec(name, takes(5), *of, within=0.05 * (1 + 2 * turn)) for turn, (name, of) in enumerate(first)]
    seen = await gather([*specs, spec("later", press, *later, active="press"), spec("up", takes(0), "s9")])
    assert (seen["later"].unobservable and seen["later"].unobservable.seen) == told


async def test_a_silent_endpoint_of_another_system_is_another_endpoint() -> None:
    """Two systems may call their surfaces the same."""
    seen = await gather(
        [spec("a", takes(5), within=0.05), spec("b", press, active="press", system="other")],
        site(),
        site(name="other"),
    )
    assert kinds(seen) == {"a": ErrorKind.SILENT, "b": None}


async def test_what_is_not_armed_is_not_begun() -> None:
    """An active observation on a live target that does not arm it never starts and names the line to add."""
    begun = []

    async def act(_toy: Toy, press: object) -> None:
        begun.append(press)

    seen = await gather([spec("a", act, active="press")], site(arming=Arming(target="porch", owned=False)))
    trouble = seen["a"].unobservable
    assert trouble is not None
    assert trouble.kind is ErrorKind.NOT_ARMED
    assert 'actions = ["press"]' in trouble.seen
    assert begun == []


async def test_arming_that_ends_during_the_run_is_not_armed() -> None:
    """An action whose time is over when it is called is refused there, and that is not the probe's fault."""
    soon = Arming(
        target="porch",
        owned=False,
        actions=frozenset({"press"}),
        expires=datetime.now(UTC) + seconds(0.15),
        confirmed=True,
    )

    async def act(_toy: Toy, press: Callable[[], Awaitable[str]]) -> str:
        await asyncio.sleep(0.3)
        return await press()

    trouble = (await gather([spec("a", act, active="press")], site(arming=soon)))["a"].unobservable
    assert trouble is not None
    assert trouble.kind is ErrorKind.NOT_ARMED
    assert "press" in trouble.seen


async def test_absent_and_unconfigured_surfaces_are_not_looked_at() -> None:
    """A surface that is declared absent is told with its reason, one that is not configured as a
    precondition; neither is asked.
    """
    where = site(ToySection(absent={"s0": "sold"}, left_out=("s1",)))
    seen = await gather(
        [
            spec("a", takes(0)),
            spec("b", takes(0), "s1"),
            spec("c", takes(0), "s2", "s0"),
            spec("d", takes(0), "s2"),
        ],
        where,
    )
    kinds = {n: o.unobservable.kind for n, o in seen.items() if o.unobservable}
    assert kinds == {
        "a": ErrorKind.DECLARED_ABSENT,
        "b": ErrorKind.PRECONDITION,
        "c": ErrorKind.DECLARED_ABSENT,
    }
    assert "s0: sold" in str(seen["a"].unobservable)


async def test_what_this_machine_lacks_is_not_looked_at() -> None:
    """A surface that a twin cannot have here is told with what would provide it."""
    where = site(ToySection().without({"s0": "no redis on this machine; to have it: apt install redis"}))
    seen = await gather([spec("a", takes(0)), spec("b", takes(0), "s1")], where)
    assert kinds(seen) == {"a": ErrorKind.NOT_ON_MACHINE, "b": None}
    assert trouble(seen["a"]).seen == "s0: no redis on this machine; to have it: apt install redis"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("x"), ErrorKind.BROKEN),
        (AssertionError(), ErrorKind.BROKEN),
        (TimeoutError("its own"), ErrorKind.SILENT),
        (RecursionError(), ErrorKind.BROKEN),
        (ExceptionGroup("g", [ConnectionResetError()]), ErrorKind.RESET),
        (StopAsyncIteration(), ErrorKind.BROKEN),
        (Unobservable(ErrorKind.EMPTY, "none"), ErrorKind.EMPTY),
    ],
)
async def test_an_error_of_any_kind_becomes_an_observation(error: Exception, kind: ErrorKind) -> None:
    """Whatever a look raises is told as the reason, and the others are seen all the same."""
    seen = await gather([spec("a", raises(error)), spec("b", takes(0), "s1")])
    trouble = seen["a"].unobservable
    assert trouble is not None
    assert trouble.kind is kind
    assert seen["b"].value == 1


@pytest.mark.parametrize("error", [Unobservable(ErrorKind.SILENT, "nothing came"), OSError(111, "refused")])
async def test_why_nothing_was_observed_keeps_no_frames(error: Exception) -> None:
    """What a look had open when it failed does not stay open with the results of the run."""

    async def look(toy: Toy) -> object:
        try:
            return vars(toy)["what is asked"]
        except KeyError as inner:
            raise error from inner

    why = (await gather([spec("a", look)]))["a"].unobservable
    assert why is not None
    assert (why.__traceback__, why.__context__, why.__cause__) == (None, None, None)


async def test_a_probe_that_cancels_itself_becomes_an_observation() -> None:
    """A library that raises CancelledError, without anybody having cancelled us, breaks its own observation
    only.
    """
    seen = await gather([spec("a", raises(asyncio.CancelledError("by itself"))), spec("b", takes(0), "s1")])
    assert seen["a"].unobservable is not None
    assert str(seen["a"].unobservable) == "probe-broken: CancelledError: by itself"
    assert seen["b"].value == 1


async def test_an_operator_that_cannot_be_made_becomes_an_observation() -> None:
    """An operator that fails on construction breaks the observations that need it only."""

    def operate(_site: Site) -> Any:
        msg = "no docker here"
        raise RuntimeError(msg)

    async def act(_toy: Toy, press: object) -> object:
        return press

    seen = await gather([spec("a", act, active="press"), spec("b", takes(0), "s1")], site(operate=operate))
    assert seen["a"].unobservable is not None
    assert seen["b"].value == 1


def test_servers_that_did_not_start() -> None:
    """What stands for an observation without servers says why."""
    before = datetime.now(UTC)
    instead = not_started(spec("a", takes(0), "s1"), "no redis-server")
    assert (instead.name, instead.system, instead.surfaces) == ("a", "toy", ("s1",))
    assert before <= instead.at <= datetime.now(UTC)
    assert str(instead.unobservable) == "not-started: no redis-server"

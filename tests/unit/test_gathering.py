"""All observations at once, each under its own deadline, and nothing that a target does stops the others."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from opsverify.arming import Arming
from opsverify.deadline import seconds
from opsverify.gathering import Gatherer, not_started
from opsverify.limits import Limit, Limits
from opsverify.observation import Bracketed, Kind, Observation, ObservationSpec, Observed, Unobservable, asked
from opsverify.operator import Operator, action
from opsverify.system import Site, System
from opsverify.target import Section

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SURFACES = tuple(f"s{n}" for n in range(20))
OWNED = Arming(target="toy", owned=True)


class ToyLimits(Limits):
    """A window."""

    window: Limit = Limit(value=0.2, unit="s", source="assumed")


class ToySection(Section):
    """As many surfaces as a test needs, all configured but those that it leaves out."""

    surfaces: ClassVar[tuple[str, ...]] = SURFACES
    left_out: tuple[str, ...] = ()
    limits: ToyLimits = ToyLimits()

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        return {s: f"toy://{s}" for s in SURFACES if s not in self.left_out and s not in self.absent}


class Named(Observed):
    """An identity."""

    identity: str


@dataclass
class Toy:
    """What an observation receives: it keeps who looked and when."""

    looks: list[tuple[str, float]] = field(default_factory=list)

    def looked(self, name: str) -> None:
        """Note a look."""
        self.looks.append((name, time.monotonic()))


class Hand(Operator):
    """One action."""

    @action
    async def press(self) -> str:
        """Press."""
        return "clicked"


@asynccontextmanager
async def connect(_section: object) -> AsyncIterator[Toy]:
    """A client."""
    yield Toy()


def no_twin(_section: object, _servers: object) -> Any:
    """A toy has no twin."""
    raise NotImplementedError


def site(
    section: ToySection | None = None, arming: Arming = OWNED, operate: Callable[[Site], Any] | None = None
) -> Site:
    """The toy system, connected."""
    system = System(
        name="toy",
        title="",
        subsystems=(),
        section=ToySection,
        connect=connect,
        start_twin=no_twin,
        observations=(),
        operate=operate or (lambda s: Hand(s.arming)),
    )
    return Site(system=system, section=section or ToySection(), arming=arming, client=Toy())


def spec(
    name: str,
    function: Callable[..., Awaitable[Any]],
    *of: str,
    within: float = 5,
    window: str | None = None,
    active: str | None = None,
    identity: bool = False,
) -> ObservationSpec:
    """An observation of the toy."""
    return ObservationSpec(
        name, "toy", of or ("s0",), seconds(within), function, window=window, active=active, identity=identity
    )


def takes(amount: float, value: object = 1) -> Callable[[Toy], Awaitable[object]]:
    """A look that takes this long."""

    async def look(_toy: Toy) -> object:
        await asyncio.sleep(amount)
        return value

    return look


def raises(error: BaseException) -> Callable[[Toy], Awaitable[object]]:
    """A look that raises."""

    async def look(_toy: Toy) -> object:
        raise error

    return look


async def gather(specs: list[ObservationSpec], where: Site | None = None) -> dict[str, Observation[Any]]:
    """Gather these."""
    return await Gatherer({"toy": where or site()}, lambda _s, _o: None).gather(specs)


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


async def test_a_black_hole_costs_one_deadline() -> None:
    """One endpoint that hangs costs one deadline; those that wait for it end at once and name who found it
    silent.
    """
    within = 0.3
    specs = [spec(f"o{n}", takes(3600), within=within) for n in range(100)] + [spec("other", takes(0), "s1")]
    start = time.monotonic()
    seen = await gather(specs)
    assert time.monotonic() - start < 2 * within + 0.3
    troubles = [o.unobservable for n, o in seen.items() if n != "other"]
    assert {t.kind for t in troubles if t} == {Kind.SILENT}
    told = [t.seen for t in troubles if t]
    assert len(told) == 100
    assert sum("no complete answer within 0.3 s" in t for t in told) == 32
    assert sum(t.startswith("endpoint s0 was silent to its deadline, see o") for t in told) == 68
    assert seen["other"].value == 1


async def test_waiting_for_a_slot_is_free() -> None:
    """A hundred observations of one endpoint all succeed, though the last of them start after their deadline
    would be over.
    """
    seen = await gather([spec(f"o{n}", takes(0.1), within=0.3) for n in range(160)])
    assert [o.unobservable for o in seen.values() if o.unobservable] == []
    assert all(timedelta(0) < o.took < seconds(0.3) for o in seen.values())


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


async def test_a_window_does_not_count_against_the_deadline() -> None:
    """A windowed observation has its deadline after the window, and learns how long the window is."""

    async def look(_toy: Toy, window: timedelta) -> float:
        await asyncio.sleep(window.total_seconds())
        return window.total_seconds()

    seen = (await gather([spec("o", look, within=0.15, window="window")]))["o"]
    assert seen.value == 0.2
    assert seen.window == seconds(0.2)


def identity(*answers: str | Unobservable) -> Callable[[Toy], Awaitable[Named]]:
    """An identity that answers these, one after another."""
    left = iter(answers)

    async def look(_toy: Toy) -> Named:
        answer = next(left)
        if isinstance(answer, Unobservable):
            raise answer
        return Named(identity=answer)

    return look


async def test_an_identity_that_stays_is_kept_with_both_ends() -> None:
    """The identity is looked at first and last, and stands on everything seen of that surface."""
    seen = await gather(
        [spec("who", identity("a", "a"), identity=True), spec("o", takes(0)), spec("other", takes(0), "s1")]
    )
    assert seen["who"].value == Bracketed[Named].model_construct(
        first=Named(identity="a"), last=Named(identity="a")
    )
    assert (seen["who"].identity, seen["o"].identity, seen["other"].identity) == ("a", "a", "")


async def test_an_identity_that_changes_makes_the_rest_unknown() -> None:
    """What was seen of a server that changed in between was not observed; the change itself was, and other
    surfaces were.
    """
    seen = await gather(
        [
            spec("who", identity("a", "b"), identity=True),
            spec("o", takes(0)),
            spec("both", takes(0), "s1", "s0"),
            spec("refused", raises(ConnectionRefusedError())),
            spec("other", takes(0), "s1"),
        ]
    )
    assert (seen["who"].value.first.identity, seen["who"].value.last.identity) == ("a", "b")
    for name in ("o", "both"):
        trouble = seen[name].unobservable
        assert trouble is not None
        assert trouble.kind is Kind.IDENTITY_CHANGED
        assert "s0 was a at the start and b at the end" in trouble.seen
    refused = seen["refused"].unobservable
    assert refused is not None
    assert refused.kind is Kind.REFUSED
    assert seen["other"].value == 1


async def test_an_identity_that_goes_away_makes_the_rest_unknown() -> None:
    """A server that is gone at the end was not observed as one."""
    seen = await gather(
        [spec("who", identity("a", Unobservable(Kind.REFUSED, "gone")), identity=True), spec("o", takes(0))]
    )
    assert [o.unobservable.kind if o.unobservable else None for o in seen.values()] == [
        Kind.REFUSED,
        Kind.IDENTITY_CHANGED,
    ]


async def test_an_identity_that_never_answered_leaves_the_rest() -> None:
    """Without an identity at the start nothing is doubted."""
    seen = await gather(
        [spec("who", identity(*[Unobservable(Kind.DENIED, "no")] * 2), identity=True), spec("o", takes(0))]
    )
    assert seen["o"].value == 1


async def test_nothing_reachable_is_an_observer_cut_off() -> None:
    """Where none of two endpoints answers in any way, nobody can say that they are down."""
    specs = [
        spec("a", raises(ConnectionRefusedError())),
        spec("b", raises(OSError(101, "no network")), "s1"),
        spec("c", takes(9), "s2", within=0.1),
    ]
    seen = await gather(specs)
    assert {o.unobservable.kind for o in seen.values() if o.unobservable} == {Kind.OBSERVER_CUT_OFF}
    assert len(seen) == 3
    assert "refused" in str(seen["a"].unobservable)


@pytest.mark.parametrize(
    "other",
    [takes(0), raises(Unobservable(Kind.SERVER_ERROR, "500")), raises(Unobservable(Kind.DENIED, "401"))],
)
async def test_any_answer_means_that_we_are_not_cut_off(other: Callable[..., Awaitable[Any]]) -> None:
    """An endpoint that answers, if only with an error, leaves the other one's refusal as it is."""
    seen = await gather([spec("a", raises(ConnectionRefusedError())), spec("b", other, "s1")])
    trouble = seen["a"].unobservable
    assert trouble is not None
    assert trouble.kind is Kind.REFUSED


async def test_one_endpoint_alone_is_not_a_cut_off() -> None:
    """From one endpoint alone nobody can tell a dead server from a cut-off observer: the refusal stands."""
    seen = await gather(
        [spec("a", raises(ConnectionRefusedError())), spec("b", raises(ConnectionRefusedError()))]
    )
    assert {o.unobservable.kind for o in seen.values() if o.unobservable} == {Kind.REFUSED}


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


async def test_what_is_not_armed_is_not_begun() -> None:
    """An active observation on a live target that does not arm it never starts and names the line to add."""
    begun = []

    async def act(_toy: Toy, press: object) -> None:
        begun.append(press)

    seen = await gather([spec("a", act, active="press")], site(arming=Arming(target="porch", owned=False)))
    trouble = seen["a"].unobservable
    assert trouble is not None
    assert trouble.kind is Kind.NOT_ARMED
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
    assert trouble.kind is Kind.NOT_ARMED


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
    assert kinds == {"a": Kind.DECLARED_ABSENT, "b": Kind.PRECONDITION, "c": Kind.DECLARED_ABSENT}
    assert "s0: sold" in str(seen["a"].unobservable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("x"), Kind.BROKEN),
        (AssertionError(), Kind.BROKEN),
        (TimeoutError("its own"), Kind.SILENT),
        (RecursionError(), Kind.BROKEN),
        (ExceptionGroup("g", [ConnectionResetError()]), Kind.RESET),
        (StopAsyncIteration(), Kind.BROKEN),
        (Unobservable(Kind.EMPTY, "none"), Kind.EMPTY),
    ],
)
async def test_an_error_of_any_kind_becomes_an_observation(error: Exception, kind: Kind) -> None:
    """Whatever a look raises is told as the reason, and the others are seen all the same."""
    seen = await gather([spec("a", raises(error)), spec("b", takes(0), "s1")])
    trouble = seen["a"].unobservable
    assert trouble is not None
    assert trouble.kind is kind
    assert seen["b"].value == 1


@pytest.mark.parametrize("error", [Unobservable(Kind.SILENT, "nothing came"), OSError(111, "refused")])
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
    seen = await gather([spec("a", raises(asyncio.CancelledError())), spec("b", takes(0), "s1")])
    assert seen["a"].unobservable is not None
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


async def test_being_cancelled_is_not_swallowed() -> None:
    """A gathering that is cancelled ends at once, and what it began ends with it."""
    ended = []

    async def look(_toy: Toy) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(1)

    task = asyncio.create_task(gather([spec("a", look), spec("b", look)]))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1, 1]


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


async def test_the_source_is_what_was_asked() -> None:
    """An observation carries what its own probes asked, when, of whom, and for how long."""

    async def look(_toy: Toy) -> int:
        asked("XLEN a")
        await asyncio.sleep(0.01)
        asked("XLEN b")
        return 1

    seen = await gather([spec("a", look), spec("b", takes(0), "s1")])
    assert seen["a"].source == ("XLEN a", "XLEN b")
    assert seen["a"].backend == "live toy://s0"
    assert seen["a"].took >= seconds(0.01)
    assert datetime.now(UTC) - seen["a"].at < seconds(60)
    assert seen["b"].source == ()


async def test_what_a_broken_look_asked_is_kept() -> None:
    """The question is known also where the answer never came."""

    async def look(_toy: Toy) -> int:
        asked("XLEN a")
        raise ConnectionResetError

    assert (await gather([spec("a", look)]))["a"].source == ("XLEN a",)


def test_servers_that_did_not_start() -> None:
    """What stands for an observation without servers says why."""
    trouble = not_started(spec("a", takes(0)), "no redis-server").unobservable
    assert trouble is not None
    assert str(trouble) == "not-started: no redis-server"

"""A system of twenty surfaces without a network: observations that take, answer or raise what a test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.limits import Limit, Limits
from opsverify.model.observation import ErrorKind, Observation, ObservationSpec, Observed, Unobservable
from opsverify.model.operator import Operator, action
from opsverify.model.system import Site, System
from opsverify.run.gather import Gatherer
from opsverify.target.file import Section

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

__all__ = [
    "SURFACES",
    "Named",
    "Toy",
    "ToySection",
    "gather",
    "identity",
    "kinds",
    "raises",
    "site",
    "spec",
    "takes",
    "trouble",
]

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


class Toy:
    """What an observation receives."""


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
    section: ToySection | None = None,
    arming: Arming = OWNED,
    operate: Callable[[Site], Any] | None = None,
    backends: Mapping[str, str] | None = None,
    name: str = "toy",
) -> Site:
    """The toy system, connected."""
    system = System(
        name=name,
        title="",
        subsystems=(),
        section=ToySection,
        connect=connect,
        start_twin=no_twin,
        declares=tuple,
        operate=operate or (lambda s: Hand(s.arming)),
    )
    return Site(
        system=system, section=section or ToySection(), arming=arming, client=Toy(), backends=backends or {}
    )


def spec(
    name: str,
    function: Callable[..., Awaitable[Any]],
    *of: str,
    within: float = 5,
    window: str | None = None,
    active: str | None = None,
    baseline: str | None = None,
    identity: bool = False,
    system: str = "toy",
) -> ObservationSpec:
    """An observation of the toy."""
    return ObservationSpec(
        name=name,
        system=system,
        surfaces=of or ("s0",),
        deadline=seconds(within),
        function=function,
        window=window,
        active=active,
        baseline=baseline,
        identity=identity,
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


def identity(*answers: str | Unobservable) -> Callable[[Toy], Awaitable[Named]]:
    """An identity that answers these, one after another."""
    left = iter(answers)

    async def look(_toy: Toy) -> Named:
        answer = next(left)
        if isinstance(answer, Unobservable):
            raise answer
        return Named(identity=answer)

    return look


async def gather(specs: list[ObservationSpec], *where: Site) -> dict[str, Observation[Any]]:
    """Gather these, of the toy or of these sites."""
    sites = {each.system.name: each for each in where or (site(),)}
    return await Gatherer(sites, lambda _s, _o: None).gather(specs)


def kinds(seen: Mapping[str, Observation[Any]]) -> dict[str, ErrorKind | None]:
    """Why each was not observed; None where it was."""
    return {name: each.unobservable.kind if each.unobservable else None for name, each in seen.items()}


def trouble(seen: Observation[Any]) -> Unobservable:
    """Why it was not observed."""
    assert seen.unobservable is not None
    return seen.unobservable

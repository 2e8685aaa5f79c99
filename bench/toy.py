"""A mini system for generated projects: as many pages as wanted, each an observation; also the plugin that registers it."""

from __future__ import annotations

import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.observation import ObservationSpec
from opsverify.model.system import Site, System
from opsverify.probes.http import Http, open_http
from opsverify.target.file import Section

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

__all__ = ["PLAN", "Plan", "ToyClient", "site_of", "toy_system"]

PLAN = "OPSVERIFY_BENCH_PLAN"
"""Names the file that says how many pages there are and where."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Pages of the system. Where `url` is empty nothing is asked: a page is a constant; `silent` ones never answer."""

    count: int
    deadline: float = 10.0
    url: str = ""
    silent_url: str = ""
    silent: int = 0
    one_surface: bool = False
    times: str = ""

    def surface(self, number: int) -> str:
        """The surface of a page."""
        return "s0" if self.one_surface else f"s{number}"

    def address(self, number: int) -> str:
        """The address of a page."""
        return f"{self.silent_url if number < self.silent else self.url}/page/{number}"

    def note(self, name: str, took: float) -> None:
        """Leave a time where the benchmark finds it."""
        if self.times:
            Path(self.times, name).write_text(repr(took), encoding="utf-8")


@dataclass
class ToyClient:
    """Asks pages, and notes when the first was asked."""

    plan: Plan
    http: Http | None
    first: float | None = None

    async def page(self, number: int) -> str:
        """One page."""
        if self.http is None:
            return "ok"
        if self.first is None:
            self.first = time.time()
            self.plan.note("first", self.first)
        reply = await self.http.get(
            self.plan.address(number), answers={200}, within=seconds(self.plan.deadline)
        )
        return str(reply.json()["status"])


def _observe(number: int) -> Callable[[ToyClient], Awaitable[str]]:
    async def page(toy: ToyClient) -> str:
        """One page."""
        return await toy.page(number)

    return page


def toy_system(plan: Plan) -> System:
    """The system of a plan."""
    names = tuple(dict.fromkeys(plan.surface(n) for n in range(plan.count)))
    known = {plan.surface(n): plan.address(n) for n in range(plan.count)}

    class ToySection(Section):
        """All pages are configured."""

        surfaces: ClassVar[tuple[str, ...]] = names

        def addresses(self) -> dict[str, str]:
            """Address of each page."""
            return known

    @asynccontextmanager
    async def connect(_: Any) -> AsyncIterator[ToyClient]:
        if not plan.url:
            yield ToyClient(plan, None)
            return
        async with open_http() as http:
            yield ToyClient(plan, http)

    def none(*_: Any) -> Any:
        msg = "the toy has no operator and no twin"
        raise NotImplementedError(msg)

    return System(
        name="toy",
        title="A toy",
        subsystems=("pages",),
        section=ToySection,
        connect=connect,
        operate=none,
        start_twin=none,
        declares=lambda: tuple(
            ObservationSpec(
                name=f"page_{n}",
                system="toy",
                surfaces=(plan.surface(n),),
                deadline=seconds(plan.deadline),
                function=_observe(n),
            )
            for n in range(plan.count)
        ),
    )


class _Registered:
    @cached_property
    def plan(self) -> Plan:
        return Plan(**json.loads(Path(os.environ[PLAN]).read_text(encoding="utf-8")))

    @cached_property
    def system(self) -> System:
        return toy_system(self.plan)


_registered = _Registered()


@pytest.hookimpl
def pytest_opsverify_system() -> System:
    """The toy."""
    return _registered.system


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """Note how long the gathering took, evidence saved, and how much CPU it used."""
    began, cpu = time.perf_counter(), time.process_time()
    result = yield
    if fixturedef.argname == "observations":
        _registered.plan.note("gathering", time.perf_counter() - began)
        _registered.plan.note("gathering-cpu", time.process_time() - cpu)
    return result


def site_of(system: System, client: ToyClient) -> Site:
    """A connected site, for a gatherer without pytest."""
    return Site(
        system=system, section=system.section(), arming=Arming(target="toy", owned=False), client=client
    )

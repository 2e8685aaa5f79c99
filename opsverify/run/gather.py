"""The gathering: every observation that the selected checks need, all at once, each under its own deadline."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsverify.model.arming import NotArmed
from opsverify.model.deadline import Deadline
from opsverify.model.observation import (
    Bracketed,
    ErrorKind,
    Observation,
    ObservationSpec,
    Unobservable,
    record_sources,
)
from opsverify.probes.errors import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opsverify.model.system import Site

__all__ = ["Gatherer", "not_started"]

_IN_FLIGHT = 32  # requests at one endpoint at a time; waiting for a slot does not count against a deadline
_FEWEST_ENDPOINTS = 2  # one dead endpoint alone cannot be told from an observer that is cut off


@dataclass(slots=True)
class _Endpoint:
    slots: asyncio.Semaphore
    silent: str | None = None


class Gatherer:
    """Runs observations of connected sites. One gatherer is one moment: identities first, everything passive at
    once, then what is active, then the identities again. `earlier` gives the value that an earlier run saved for an
    observation with a baseline. `in_flight` are those that are being looked at right now.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        on_done: Callable[[ObservationSpec, Observation[Any]], None],
        earlier: Callable[[ObservationSpec], Any] = lambda _spec: None,
    ) -> None:
        self._sites, self._on_done, self._earlier = sites, on_done, earlier
        self.in_flight: dict[str, tuple[ObservationSpec, Deadline]] = {}
        self._unconfigured = {name: frozenset(site.section.unconfigured()) for name, site in sites.items()}
        self._identities: dict[tuple[str, str], str] = {}
        self._endpoints: dict[tuple[str, str], _Endpoint] = defaultdict(
            lambda: _Endpoint(asyncio.Semaphore(_IN_FLIGHT))
        )

    async def gather(self, specs: Iterable[ObservationSpec]) -> dict[str, Observation[Any]]:
        """All of `specs` by name. Never raises for what a target does."""
        requested = list(specs)
        identities = [s for s in requested if s.identity]
        first = await self._all(identities)
        self._identities = {(o.system, o.surfaces[0]): o.value.identity for o in first if not o.unobservable}
        observations = await self._all(s for s in requested if not s.identity and not s.active)
        # One after another: two actions at a time would see each other.
        observations += [await self._observe(spec) for spec in requested if spec.active]
        again = await self._all(identities)
        results = _bracket(first, again, observations)
        if _nothing_reachable(results):
            results = [_cut_off(o) for o in results]
        by_name = {o.name: o for o in results}
        earlier = {o.name: o for o in observations}
        for spec in requested:
            if by_name[spec.name] is not earlier.get(spec.name):
                self._on_done(spec, by_name[spec.name])
        return by_name

    async def _all(self, specs: Iterable[ObservationSpec]) -> list[Observation[Any]]:
        return await asyncio.gather(*(self._observe(spec) for spec in specs))

    async def _observe(self, spec: ObservationSpec) -> Observation[Any]:
        result = await self._observe_in_slot(spec)
        if not spec.identity:  # an identity is reported once both its ends are known
            self._on_done(spec, result)
        return result

    async def _observe_in_slot(self, spec: ObservationSpec) -> Observation[Any]:
        site = self._sites[spec.system]
        refused = _not_looked_at(spec, site, self._unconfigured[spec.system])
        if refused is not None:
            return self._observation(spec, refused)
        endpoints = [self._endpoints[spec.system, surface] for surface in spec.surfaces]
        async with AsyncExitStack() as slots:
            for endpoint in (
                self._endpoints[spec.system, s] for s in sorted(spec.surfaces)
            ):  # one order: no deadlock
                await slots.enter_async_context(endpoint.slots)
            for surface, endpoint in zip(spec.surfaces, endpoints, strict=True):
                if endpoint.silent is not None:
                    error = Unobservable(
                        ErrorKind.SILENT,
                        f"endpoint {surface} did not answer before its deadline, see {endpoint.silent}",
                    )
                    return self._observation(spec, error)
            result = await self._look(spec, site)
        if len(endpoints) == 1 and result.unobservable and result.unobservable.kind is ErrorKind.SILENT:
            endpoints[0].silent = endpoints[0].silent or spec.name
        return result

    async def _look(self, spec: ObservationSpec, site: Site) -> Observation[Any]:
        window = timedelta(0)
        arguments: dict[str, Any] = {}
        if spec.window is not None:
            window = getattr(site.section.limits, spec.window).duration
            arguments["window"] = window
        if spec.baseline is not None:
            arguments["baseline"] = self._earlier(spec)
        probes, clock = record_sources(), Deadline(spec.deadline + window)
        self.in_flight[spec.name] = spec, clock
        try:
            async with asyncio.timeout(clock.within.total_seconds()) as limit:
                if spec.active is not None:
                    arguments[spec.active] = getattr(site.operator(), spec.active)
                outcome = await spec.function(site.client, **arguments)
        except NotArmed as refusal:
            outcome = Unobservable(ErrorKind.NOT_ARMED, str(refusal))
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            outcome = _unobservable(error)  # not our task: a library cancelled its own
        except Exception as error:  # noqa: BLE001 - the evidence boundary: any error that a target causes becomes an observation
            if limit.expired():
                outcome = Unobservable(
                    ErrorKind.SILENT, f"no complete answer within {clock.within.total_seconds():g} s"
                )
            else:
                outcome = _unobservable(error)
        finally:
            del self.in_flight[spec.name]
        return self._observation(spec, outcome, took=clock.elapsed, probes=tuple(probes), window=window)

    def _observation(
        self,
        spec: ObservationSpec,
        outcome: Any,
        *,
        took: timedelta = timedelta(0),
        probes: tuple[str, ...] = (),
        window: timedelta = timedelta(0),
    ) -> Observation[Any]:
        site = self._sites[spec.system]
        backends = dict.fromkeys(site.backend(surface) for surface in spec.surfaces)
        keys = [(spec.system, surface) for surface in spec.surfaces]
        identities = dict.fromkeys(self._identities[key] for key in keys if key in self._identities)
        return Observation(
            name=spec.name,
            system=spec.system,
            surfaces=spec.surfaces,
            outcome=outcome,
            at=datetime.now(UTC),
            took=took,
            source=probes,
            identity=" + ".join(identities),
            backend=" + ".join(backends),
            window=window,
        )


def not_started(spec: ObservationSpec, why: str) -> Observation[Any]:
    """The observation of a system whose own servers did not start."""
    return Observation(
        spec.name, spec.system, spec.surfaces, Unobservable(ErrorKind.NOT_STARTED, why), datetime.now(UTC)
    )


def _unobservable(error: BaseException) -> Unobservable:
    """The classified error without its traceback, whose frames would keep sockets and files open for the whole run."""
    why = classify(error)
    why.__cause__ = why.__context__ = None
    return why.with_traceback(None)


def _not_looked_at(spec: ObservationSpec, site: Site, unconfigured: frozenset[str]) -> Unobservable | None:
    for surface in spec.surfaces:
        if surface in site.section.absent:
            return Unobservable(ErrorKind.DECLARED_ABSENT, f"{surface}: {site.section.absent[surface]}")
        if surface in site.section.lacking:
            return Unobservable(ErrorKind.NOT_ON_MACHINE, f"{surface}: {site.section.lacking[surface]}")
        if surface in unconfigured:
            return Unobservable(
                ErrorKind.PRECONDITION, f"{surface} is neither configured nor declared absent in the target"
            )
    if spec.active is not None:
        why = site.arming.why_not("actions", spec.active)
        if why is not None:
            return Unobservable(ErrorKind.NOT_ARMED, f"{spec.active}: {why}")
    return None


def _bracket(
    first: list[Observation[Any]], last: list[Observation[Any]], others: list[Observation[Any]]
) -> list[Observation[Any]]:
    """Join the two ends of each identity; the values of a server that changed or went away in between become unobservable."""
    results: list[Observation[Any]] = []
    doubts: dict[tuple[str, str], str] = {}
    for before, after in zip(first, last, strict=True):
        surface = before.surfaces[0]
        if before.unobservable:
            results.append(before)
            continue
        identity = before.value.identity
        if after.unobservable:
            results.append(after)
            doubts[before.system, surface] = (
                f"{surface} answered at the start of the run and not at its end ({after.unobservable})"
            )
            continue
        shape: Any = Bracketed.__class_getitem__(type(before.value))
        both = shape.model_construct(first=before.value, last=after.value)
        results.append(replace(before, outcome=both, identity=identity))
        if identity != after.value.identity:
            doubts[before.system, surface] = (
                f"{surface} was {identity} at the start of the run and {after.value.identity} at its end"
            )
    for one in others:
        doubt = next((doubts[one.system, s] for s in one.surfaces if (one.system, s) in doubts), None)
        if doubt and not one.unobservable:
            one = replace(one, outcome=Unobservable(ErrorKind.IDENTITY_CHANGED, doubt))  # noqa: PLW2901
        results.append(one)
    return results


def _nothing_reachable(results: list[Observation[Any]]) -> bool:
    dead: set[tuple[str, str]] = set()
    for one in results:
        trouble = one.unobservable
        if trouble and trouble.kind.not_applicable:
            continue
        if not trouble or not trouble.kind.cut_off:
            return False
        if len(one.surfaces) == 1:  # of several surfaces it is not known which one failed
            dead.add((one.system, one.surfaces[0]))
    return len(dead) >= _FEWEST_ENDPOINTS


def _cut_off(one: Observation[Any]) -> Observation[Any]:
    trouble = one.unobservable
    if trouble is None or trouble.kind.not_applicable:
        return one
    return replace(
        one,
        outcome=Unobservable(
            ErrorKind.OBSERVER_CUT_OFF, f"no endpoint of this target was reachable; this one: {trouble}"
        ),
    )

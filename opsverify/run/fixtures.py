"""The fixtures that checks see: observations gathered once, the limits of their system, and drills."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from opsverify.model.observation import ErrorKind, Observation, ObservationSpec
from opsverify.model.system import Site
from opsverify.report.model import Surface
from opsverify.run.gather import Gatherer, not_started
from opsverify.run.progress import progress_line
from opsverify.run.run import RUN, Run
from opsverify.run.second_sample import second_samples
from opsverify.run.steady import await_steady

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from opsverify.model.limits import Limits
    from opsverify.model.system import System, Twin
    from opsverify.run.drill import Drill

__all__ = ["needed", "observation_fixtures"]

_ABANDONING_S = 0.2  # between two calls: who was just beginning has something to end only then


def observation_fixtures(systems: Iterable[System]) -> ModuleType:
    """A plugin module with one session fixture per declared observation: a plain look-up that never raises.

    Raises:
        pytest.UsageError: two observations have one name, or a name is the engine's own.
    """
    module = ModuleType("opsverify_observations")
    taken = dict.fromkeys(("limits", "drill", "request", "tmp_path", "sites", "observations"), __file__)
    for system in systems:
        for spec in system.observations:
            if spec.name in taken:
                msg = f"observation {spec.name!r} is declared in {spec.declared_in} and taken by {taken[spec.name]}; rename one"
                raise pytest.UsageError(msg)
            taken[spec.name] = spec.declared_in
            setattr(module, spec.name, _look_up(spec))
    return module


def _look_up(spec: ObservationSpec) -> object:
    @pytest.fixture(scope="session", name=spec.name)
    def look_up(observations: dict[str, Observation[Any]]) -> Observation[Any]:
        return observations[spec.name]

    look_up.__doc__ = spec.meaning
    return look_up


def needed(run: Run, items: Iterable[pytest.Item]) -> list[ObservationSpec]:
    """The observations that the selected checks ask for, each once."""
    checks = [run.checks[item.nodeid] for item in items if item.nodeid in run.checks]
    names = {spec.name for check in checks for spec in run.specs_of(check)}
    systems = [run.systems[name] for name in run.target.sections()]
    return [spec for system in systems for spec in system.observations if spec.name in names]


@pytest.fixture(scope="session")
def sites(request: pytest.FixtureRequest) -> Iterator[dict[str, Site]]:
    """Each system of the target, with its twin running where the servers are this run's own."""
    run = request.config.stash[RUN]
    needed_systems = {spec.system for spec in needed(run, request.session.items)}
    for name, section in run.target.sections().items():
        run.sites[name] = Site(
            system=run.systems[name], section=section, arming=run.arming, folder=run.folder
        )
    if run.target.owned and run.saved is None:
        start_twins(run, needed_systems)
    yield run.sites
    for site in run.sites.values():
        if site.twin is not None:
            site.twin.stop()


def start_twins(run: Run, names: Iterable[str]) -> None:
    """Start the twins of these systems in parallel; Ctrl-C also ends those that are still starting."""
    pool = ThreadPoolExecutor()
    starting: dict[str, Future[Twin]] = {}
    try:
        for name, site in run.sites.items():
            if name in names:
                starting[name] = pool.submit(site.system.start_twin, site.section, run.target.servers)
        for name, future in starting.items():
            site = run.sites[name]
            try:
                site.twin = future.result()
            except Exception as error:  # noqa: BLE001 - the evidence boundary: a twin that does not start is UNKNOWN, not a crash
                run.not_started[name] = f"the twin of {name} did not start: {error}"
                run.problem(run.not_started[name])
            else:
                site.section, site.backends = site.twin.section, site.twin.backends
    except BaseException:
        from opsverify.servers.guard import Guard  # noqa: PLC0415 -- only who starts a twin loads it

        while wait(starting.values(), timeout=_ABANDONING_S).not_done:
            Guard.close_all()
        raise
    finally:
        pool.shutdown()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def observations(
    request: pytest.FixtureRequest, sites: dict[str, Site]
) -> AsyncIterator[dict[str, Observation[Any]]]:
    """Everything the selected checks need, gathered at once before the first of them is judged."""
    run = request.config.stash[RUN]
    specs = needed(run, request.session.items)
    if run.saved is not None:
        replayed = run.saved.observations(specs)
        for spec in specs:
            save_observation(run, spec, replayed[spec.name])
        report_missing_rule(run, replayed)
        yield replayed
        return
    missing = {
        s.name: not_started(s, run.not_started[s.system]) for s in specs if s.system in run.not_started
    }
    async with AsyncExitStack() as stack:
        for name, site in sites.items():
            if name in run.not_started:
                continue
            site.client = await stack.enter_async_context(site.system.connect(site.section))

        await wait_for_twins(run, sites)

        def journal(spec: ObservationSpec, observation: Observation[Any]) -> None:
            save_observation(run, spec, observation)

        observable = [s for s in specs if s.name not in missing]

        def earlier(spec: ObservationSpec) -> Any:
            if run.baseline is None:
                return None
            from opsverify.evidence.baseline import earlier_value  # noqa: PLC0415 -- only what is asked for is loaded

            return earlier_value(run.baseline, spec, run.key)

        gatherer = Gatherer(sites, journal, earlier)
        async with progress_line(request.config, gatherer):
            gathered = await gatherer.gather(observable)
        gathered = await second_samples(
            run, observable, gathered, lambda s: Gatherer(sites, journal, earlier).gather(s)
        )
        if any(
            o.unobservable and o.unobservable.kind is ErrorKind.OBSERVER_CUT_OFF for o in gathered.values()
        ):
            run.problem(
                f"observer cut off: no endpoint of {run.target.name} was reachable from this machine; check its network first"
            )
        report_missing_rule(run, gathered)
        yield {**gathered, **missing}


async def wait_for_twins(run: Run, sites: Mapping[str, Site]) -> None:
    """Wait until the twins that this run has started are in their steady state; warn of those that are not."""
    chosen = [check for nodeid, check in run.checks.items() if nodeid in run.chosen]
    looks = {
        name: await_steady(
            site,
            [check for check in chosen if check.system == name],
            limits=run.steady_limits[name],
            within=within,
        )
        for name, site in sites.items()
        if site.twin is not None and (within := site.system.steady_within) is not None
    }
    for name, lacking in zip(looks, await asyncio.gather(*looks.values()), strict=True):
        if lacking:
            run.warnings.append(f"the twin of {name} was not ready: {lacking}")


def report_missing_rule(run: Run, observations: Mapping[str, Observation[Any]]) -> None:
    """Report a problem, and end with exit 4, if the target's monitoring has no rule for the incident's alert."""
    if run.incident is None:
        return
    for system in run.systems.values():
        if reason := system.no_such_alert(run.incident.alert, observations):
            run.no_such_alert = True
            run.problem(f"--incident {run.incident.alert}: {reason}")


def save_observation(run: Run, spec: ObservationSpec, observation: Observation[Any]) -> None:
    """Write an observation to the journal, and record which server answered."""
    trouble = observation.unobservable
    value = None if trouble else spec.adapter.dump_python(observation.value, mode="json")
    if run.baseline is not None:
        run.values[observation.name] = run.redactor.data(value)
    run.journal.write(
        "observation",
        name=observation.name,
        system=observation.system,
        surfaces=list(observation.surfaces),
        value=value,
        unobservable={"kind": trouble.kind.value, "seen": trouble.seen} if trouble else None,
        observed_at=observation.at.isoformat(),
        took=observation.took.total_seconds(),
        window=observation.window.total_seconds(),
        source=list(observation.source),
        identity=observation.identity,
        backend=observation.backend,
    )
    if trouble is not None and trouble.kind.not_applicable:
        return
    for surface in observation.surfaces:
        known = run.surfaces.get((observation.system, surface))
        identity = observation.identity if len(observation.surfaces) == 1 else ""
        if known is None or (identity and not known.identity):
            backend = observation.backend if run.saved else run.sites[observation.system].backend(surface)
            run.surfaces[observation.system, surface] = Surface(
                system=observation.system,
                surface=surface,
                backend=run.redactor.text(backend),
                identity=run.redactor.text(identity),
            )


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Limits:
    """The limits of the check's system, with what the target file sets."""
    run = request.config.stash[RUN]
    check = run.checks[request.node.nodeid]
    return run.target.sections()[check.system].limits


@pytest_asyncio.fixture(loop_scope="session")
async def drill(request: pytest.FixtureRequest) -> AsyncIterator[Drill]:
    """A drill on a twin of its own; whatever it changed is undone at its end, last in first out."""
    from opsverify.run.check_index import CheckIndex  # noqa: PLC0415 -- only what is asked for is loaded
    from opsverify.run.drill import Drill  # noqa: PLC0415

    run = request.config.stash[RUN]
    check = run.checks[request.node.nodeid]
    rehearsal = Drill(run, check, CheckIndex(request.session, run.checks_folder / check.system))
    try:
        await rehearsal.start()
        yield rehearsal
    finally:
        await rehearsal.end()

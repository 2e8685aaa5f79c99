"""Whether an incident is over, and a recovery holds: what is observed of it, and what is missing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from checks.bzzz.incidents import criteria
from opsverify.model.observation import ErrorKind, ObservationSpec, Unobservable
from systems.bzzz.agents.models import Component, Components, ComponentState, NotAnswering
from systems.bzzz.alerting.models import Alert
from systems.bzzz.incidents import observations as incidents
from systems.bzzz.incidents import recovery_observations as recovered
from systems.bzzz.incidents.models import Fired, IncidentState
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.monitoring.models import Sample, Samples, Series, SeriesRange
from systems.bzzz.section import BzzzSection
from systems.bzzz.services.models import ServiceSeen, TaskSeen

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
MEMORY = LIMITS.agent_memory.value
NODES = ("walnut", "ironwood", "acacia")


def samples(*values: float, stale: tuple[str, ...] = ()) -> Samples:
    """What Prometheus has now of one series for each agent."""
    series = [Sample(labels={"instance": f"{n}:8081"}, value=v, at=NOW) for n, v in zip(NODES, values, strict=False)]  # fmt: skip
    return Samples(query="q", at=NOW, series=tuple(series), stale=stale)


def task(slot: int) -> TaskSeen:
    """A running task on one of the nodes."""
    return TaskSeen(
        id=str(slot), slot=slot, node=NODES[slot - 1], state="running", desired="running", image="i", since=NOW
    )  # fmt: skip


def service(name: str = "bzzz-v2_bzzz-agent", running: int = 3) -> ServiceSeen:
    """A service of three tasks."""
    tasks = tuple(map(task, range(1, running + 1)))
    return ServiceSeen(name=name, image="i", desired=3, tasks=tasks, update_state="")


HELD = ("database-health", "storage-health", "dht-health")


def components(*names: str, **states: str) -> Components:
    """What an agent says of its components, all healthy but those that are named with a state."""
    given = dict.fromkeys(names, "healthy") | {n.replace("_", "-"): s for n, s in states.items()}
    return Components(
        components=tuple(Component(name=n, state=ComponentState(s), message="m") for n, s in given.items()),
        strange=(),
        listed=len(given),
    )


class World:
    """What stands for a client: what each surface answers is set by the test."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        nodes = {n: {"host": "127.0.0.1", "agent": "http://127.0.0.1:1", "bootstrap": 1} for n in NODES}
        self.section = BzzzSection.model_validate(
            {
                "nodes": nodes,
                "services": {"manager": "docker+tcp://127.0.0.1:1"},
                **({"recovered_at": given["recovered"]} if "recovered" in given else {}),
                "limits": {"watched": 3600, **given.get("limits", {})},
            }
        )
        self.prometheus = SimpleNamespace(
            target=SimpleNamespace(job="bzzz", memory="High Memory Usage"),
            current=self._current, range=self._range, now=self._now,
        )  # fmt: skip
        self.alertmanager = SimpleNamespace(alerts=self._alerts)
        self.services = SimpleNamespace(
            services=self._services, configs=self._silent, uses=self._silent, logs=self._silent
        )
        agent = SimpleNamespace(checks=self._silent)
        self.nodes = SimpleNamespace(
            names=NODES, ask=self._ask, bootstraps=self._bootstraps, of=lambda _node: agent
        )

    async def _current(self, query: str) -> Samples:
        found: Samples = next(v for k, v in self.given["values"].items() if k in query)
        return found

    async def _range(self, query: str, **asked: Any) -> SeriesRange:
        self.step = asked["step"]
        named = self.given["fired"] if "ALERTS" in query else {"": self.given["measured"](**asked)}
        series = [Series(labels={"alertname": n}, points=p) for n, p in named.items()]
        return SeriesRange(query=query, step_s=1, series=tuple(series))

    async def _now(self) -> datetime:
        return NOW

    async def _alerts(self, *_matchers: str) -> tuple[Alert, ...]:
        one = Alert(name="A", labels={}, state="suppressed", since=NOW)
        return (one,) if self.given.get("alerting") else ()

    async def _services(self) -> tuple[ServiceSeen, ...]:
        found: tuple[ServiceSeen, ...] = self.given.get("services", (service(),))
        return found

    async def _silent(self, *_: Any, **__: Any) -> Any:
        raise Unobservable(ErrorKind.SILENT, "not part of this test")

    async def _bootstraps(self, _hold: timedelta) -> tuple[()]:
        return ()

    async def _ask(self, *_: Any) -> tuple[dict[str, Components], tuple[NotAnswering, ...]]:
        return self.given.get("answers", {}), self.given.get("silent", ())


def look(spec: ObservationSpec, **given: Any) -> Any:
    """What an observation sees of such a world."""

    async def seen() -> Any:
        return await spec.function(World(**given))

    return asyncio.run(seen())


STANDINGS: list[tuple[ObservationSpec, float, float]] = [
    (incidents.standing_health, 1.0, 0.1),
    (incidents.standing_peers, 5, 2),
    (incidents.standing_replication, 3, 0),
    (incidents.standing_memory, 1000, MEMORY + 1),
]


@pytest.mark.parametrize(("spec", "well", "bad"), STANDINGS)
def test_an_agent_of_which_nothing_is_known_leaves_the_incident_open(
    spec: ObservationSpec, well: float, bad: float
) -> None:
    """Where three agents run and two have a value, the third is missing, whatever those two have decided."""

    def seen(*values: float, **more: Any) -> IncidentState:
        told = samples(*values, stale=("acacia:8081: last scraped 99 s ago",))
        found: IncidentState = look(spec, values={"component": samples(1.0), "": told}, **more)
        return found

    assert (len(seen(well, well, well).values), seen(well, well, well).missing) == (len(NODES), ())
    for part in (seen(well, well), seen(well, bad), seen(well, well, alerting=True)):
        assert len(part.values) == 2
        assert part.missing[0].startswith(
            "Prometheus has q of 2 agents, 3 expected (3 agents running): acacia"
        )
    assert seen(well, well, services=(service(running=2),)).missing == ()
    assert "number of running agents unknown" in seen(well, well, services=()).missing[0]
    odd = seen(well, well, -1)
    assert (len(odd.values), odd.missing[-1]) == (
        2,
        f"q is not {'from 0 to 1' if spec is incidents.standing_health else 'at least 0'}: acacia:8081 -1",
    )
    with pytest.raises(Unobservable, match=r"q is not (from|at least) 0") as unknown:
        seen(-1, -1, -1)
    assert unknown.value.kind is ErrorKind.UNEXPECTED_REPLY


@pytest.mark.parametrize(("spec", "well", "bad"), STANDINGS)
def test_of_two_series_of_one_agent_the_worse_counts(spec: ObservationSpec, well: float, bad: float) -> None:
    """An agent that is scraped twice, by two jobs, is judged by what is worse, in whichever order they come."""
    once = samples(well, well, well)
    twice = Sample(labels={"instance": "walnut:8081", "job": "again"}, value=bad, at=NOW)
    for series in ((twice, *once.series), (*once.series, twice)):
        told = once.model_copy(update={"series": series})
        assert look(spec, values={"component": samples(1.0), "": told}).values["walnut:8081"] == bad


def test_the_cause_of_a_critical_health_is_its_worst_component() -> None:
    """What the runbook knows as a cause goes before what only follows from it, the worst first, then by its order."""

    def causes(**scores: float) -> dict[str, str]:
        labels = [{"instance": "walnut:8081", "component": name} for name in scores]
        told = [Sample(labels=w, value=v, at=NOW) for w, v in zip(labels, scores.values(), strict=True)]
        values = {"component": Samples(query="c", at=NOW, series=tuple(told)), "": samples(0.1, 1, 1)}
        found: dict[str, str] = look(incidents.standing_health, values=values).causes
        return found

    assert causes(election=0.0, storage=0.5) == {"walnut:8081": "disk"}
    assert causes(election=0.0, storage=1.0) == {"walnut:8081": "election"}
    assert causes(p2p=0.0, memory=0.0, database=0.0) == {"walnut:8081": "memory"}
    assert causes(memory=0.5, database=0.4) == {"walnut:8081": "database"}
    assert causes(memory=1.0, database=1.0) == {}


def answers(*each: Components) -> dict[str, Components]:
    """What the nodes' own agents say."""
    return dict(zip(NODES, each, strict=False))


def test_an_agent_that_lists_no_dht_does_not_work() -> None:
    """One that lists nothing of it, does not answer, or fails is named; degraded still works; none at all is not known."""
    well, ill, slow = (components(dht_health=state) for state in ("healthy", "unhealthy", "degraded"))
    seen = look(incidents.standing_dht, answers=answers(well, components("p2p-health")))
    assert (seen.values, seen.causes) == (
        {"walnut": 1.0, "ironwood": 0.0},
        {"ironwood": "its agent lists no dht-health"},
    )
    lost = NotAnswering(node="acacia", kind=ErrorKind.SILENT, told="nothing")
    seen = look(incidents.standing_dht, answers=answers(slow, ill), silent=(lost,))
    assert seen.values == {"walnut": 1.0, "ironwood": 0.0, "acacia": 0.0}
    assert criteria.dht_works(seen).observed.startswith("ironwood: m; acacia: acacia does not answer")
    with pytest.raises(Unobservable, match="no agent lists dht-health"):
        look(incidents.standing_dht, answers=answers(components("p2p-health")))


def recovery(peers: Samples | None = None, **given: Any) -> Any:
    """What is seen of a recovery; each agent lists all that holds data, unless told otherwise."""
    values = {"peers": peers or samples(5, 5, 5), "factor": given.pop("factors", samples(3, 3, 3))}
    return look(recovered.validated, values=values, **{"answers": answers(*[components(*HELD)] * 3), **given})


def test_data_that_nobody_tells_of_is_not_whole() -> None:
    """A component that no agent lists is not known; one that an agent lists, and another does not, is named."""
    assert recovery().ill == ()
    some = recovery(answers=answers(components(*HELD), components("storage-health", "dht-health")))
    assert (some.ill, some.unlisted) == (("ironwood: lists no database-health",), ())
    none = recovery(answers=answers(*[components("storage-health", "dht-health")] * 3))
    assert (none.ill, none.unlisted) == ((), ("database-health",))
    lost = NotAnswering(node="acacia", kind=ErrorKind.SILENT, told="nothing")
    assert recovery(answers={}, silent=(lost,)).ill == (str(lost),)
    ill = recovery(answers=answers(components(*HELD[1:], database_health="degraded")))
    assert ill.ill == ("walnut: database-health degraded: m",)


def test_a_recovery_is_judged_by_every_agent() -> None:
    """Peers or copies that one of three agents does not have, or that can be none, are missing."""
    assert (recovery().missing_peers, recovery().missing_copies) == ((), ())
    part = recovery(samples(5, 2), services=(service(), service("bzzz-x", 2)))
    assert (part.services["bzzz-x"], part.missing_copies) == ((2, 3), ())
    assert part.peers == {"walnut:8081": 5.0, "ironwood:8081": 2.0}
    assert "of 2 agents, 3 expected" in part.missing_peers[0]
    odd = recovery(factors=samples(3, -1, 1))
    assert (odd.copies, odd.missing_peers, len(odd.missing_copies)) == (2.0, (), 1)
    assert recovery(services=()).services == {}


def always(*, start: datetime, end: datetime, step: timedelta) -> tuple[tuple[datetime, float], ...]:
    """The health was measured at every instant."""
    return tuple((start + n * step, 3.0) for n in range(int((end - start) / step) + 1))


HOUR = timedelta(hours=1)


def watched(ago: timedelta, **given: Any) -> Any:
    """What is seen since a recovery of so long ago; an hour is watched."""
    return look(
        recovered.recovery_watched, **{"recovered": NOW - ago, "fired": {}, "measured": always, **given}
    )


def at(ago: timedelta) -> tuple[tuple[datetime, float], ...]:
    """An alert that was evaluated as firing so long ago."""
    return ((NOW, (NOW - ago).timestamp()),)


def test_a_recovery_is_watched_for_its_time() -> None:
    """Of what fired before its time, or before the recovery, nothing counts."""
    assert watched(HOUR).fired == ()
    assert watched(HOUR - timedelta(seconds=10)).begin == NOW - HOUR + timedelta(seconds=10)
    early = watched(HOUR / 2, fired={"A": at(HOUR / 4)})
    assert early.fired == (Fired(alert="A", at=NOW - HOUR / 4),)
    assert watched(HOUR * 9, fired={"A": at(HOUR * 1.1)}).fired == ()
    assert [each.alert for each in watched(HOUR, fired={"A": at(HOUR)}).fired] == ["A"]
    assert watched(HOUR, fired={"A": ()}).fired == ()
    with pytest.raises(Unobservable, match="in the future"):
        watched(-HOUR)


def test_a_recovery_is_not_held_by_a_prometheus_that_was_away() -> None:
    """At how many of how many instants the health was measured is told; of several series the longest counts."""
    whole, none = watched(HOUR), watched(HOUR, measured=lambda **_: ())
    assert (whole.measured, whole.instants) == (501, 500)
    assert (none.measured, none.instants) == (0, 500)


def test_a_clock_that_is_none_is_no_incident() -> None:
    """An alert whose time is not a time is another program's reply."""
    for value in (float("nan"), float("inf"), 1e300):
        with pytest.raises(Unobservable) as seen:
            watched(HOUR, fired={"A": ((NOW, value),)})
        assert seen.value.kind is ErrorKind.UNEXPECTED_REPLY

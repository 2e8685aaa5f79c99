"""Whether an incident is over, and a recovery holds: the rules at their boundaries, and what is not known of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.criteria import incidents as criteria
from fixtures.bzzz.limits import BzzzLimits
from fixtures.bzzz.observations import incidents, recovered
from fixtures.bzzz.seen.alerts import Alert
from fixtures.bzzz.seen.api import Component, Components, State
from fixtures.bzzz.seen.incidents import Standing, Validated, Watched
from fixtures.bzzz.seen.monitoring import Sample, Samples, Series, SeriesRange
from fixtures.bzzz.seen.peers import NotAnswering
from fixtures.bzzz.seen.services import ServiceSeen, TaskSeen
from fixtures.bzzz.target import BzzzSection
from opsverify.observation import Kind, ObservationSpec, Unobservable

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.verdict import Finding

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
MEMORY = LIMITS.agent_memory.value
NODES = ("walnut", "ironwood", "acacia")


def standing(*values: float, **changes: Any) -> Standing:
    """An incident whose alert looks at these values."""
    whole = {"alert": "A", "values": dict(zip("abcd", values, strict=False)), "evidence": ("looked",)}
    return Standing.model_validate(whole | changes)


CRITICAL = LIMITS.health_critical.value
RULES: list[tuple[Callable[[Standing], Finding], tuple[float, ...], str]] = [
    (lambda s: criteria.score_back(s, LIMITS), (CRITICAL, 1.0), "not-critical"),
    (lambda s: criteria.score_back(s, LIMITS), (CRITICAL - 0.001, 1.0), "critical-no component tells"),
    (lambda s: criteria.peers_back(s, LIMITS), (3, 5, 5), "enough-peers"),
    (lambda s: criteria.peers_back(s, LIMITS), (2, 5, 5), "too-few-peers"),
    (criteria.one_admin_again, (0, 1, 0), "one-admin"),
    (criteria.one_admin_again, (0, 0, 0), "no-admin"),
    (criteria.one_admin_again, (1, 1, 0), "two-admins"),
    (criteria.one_admin_again, (0.5, 0, 0), "one-admin"),
    (lambda s: criteria.replication_back(s, LIMITS), (1, 2, 3), "replicated"),
    (lambda s: criteria.replication_back(s, LIMITS), (1, 2, 2.99), "replication-degraded"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY, 1), "memory-back"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY + 1, 1), "high-memory"),
    (criteria.dht_works, (1, 1), "dht-works"),
    (criteria.dht_works, (1, 0), "dht-fails"),
]
GOOD = {"not-critical", "enough-peers", "one-admin", "replicated", "memory-back", "dht-works"}


@pytest.mark.parametrize(("rule", "values", "reason"), RULES)
def test_each_incident_is_over_from_its_limit_on(
    rule: Callable[[Standing], Finding], values: tuple[float, ...], reason: str
) -> None:
    """What its alert looks at is back at the limit itself; just beyond it the evidence is told."""
    found = rule(standing(*values))
    assert (found.holds, found.reason) == (reason in GOOD, reason)


def test_what_fails_shows_the_evidence_and_who() -> None:
    """The evidence and the one at fault are told where something is wrong, and only there."""
    few = criteria.peers_back(standing(5, 2), LIMITS)
    assert (few.details, few.observed) == (("looked",), "b below: b 2, a 5")
    assert criteria.peers_back(standing(5, 3), LIMITS).details == ()


@pytest.mark.parametrize(
    ("causes", "reason"),
    [
        ({"a": "memory", "b": "memory"}, "critical-memory"),
        ({"a": "memory", "b": "disk"}, "critical"),
        ({"a": "memory"}, "critical"),
        ({"c": "disk"}, "critical-no component tells"),
        ({}, "critical-no component tells"),
    ],
)
def test_one_cause_is_the_reason_several_are_not(causes: dict[str, str], reason: str) -> None:
    """Where all that are critical have one cause that is the reason; the cause of one that is well does not count."""
    assert criteria.score_back(standing(0.1, 0.2, 1.0, causes=causes), LIMITS).reason == reason


def test_an_alert_that_is_muted_is_not_quiet() -> None:
    """Whatever Alertmanager still holds of the alert keeps the incident open."""
    assert criteria.alert_quiet(standing(1.0)).holds
    found = criteria.alert_quiet(standing(1.0, active=("suppressed: A",)))
    assert (found.holds, found.reason) == (False, "still-alerting")


def validated(**changes: Any) -> Validated:
    """A recovery that brought everything back."""
    whole = {"services": {"x": (3, 3)}, "ill": (), "peers": {"a": 3.0}, "copies": 2.0}
    return Validated.model_validate(whole | changes)


@pytest.mark.parametrize(
    ("tasks", "holds"), [((3, 3), True), ((2, 3), False), ((4, 3), False), ((0, 0), False), ((0, 3), False)]
)
def test_a_service_that_is_scaled_to_nothing_is_not_up(tasks: tuple[int, int], holds: bool) -> None:  # noqa: FBT001
    """As many tasks as wanted, and at least one."""
    assert criteria.services_up(validated(services={"x": tasks, "y": (1, 1)})).holds is holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "data-whole"),
        ({"copies": 1.99}, "too-few-copies"),
        ({"ill": ("a: dht-health unhealthy",)}, "data-not-whole"),
        ({"ill": ("a: dht-health unhealthy",), "copies": 0.0}, "data-not-whole"),
    ],
)
def test_data_is_whole_by_health_and_copies(change: dict[str, Any], reason: str) -> None:
    """What is ill goes before too few copies."""
    assert criteria.data_whole(validated(**change), LIMITS).reason == reason


def test_a_recovery_holds_until_an_incident_fires() -> None:
    """One that fired since is named with its time; one agent with too few peers is not connected."""
    seen = {"recovered_at": NOW, "begin": NOW, "at": NOW}
    assert criteria.held_since(Watched.model_validate({**seen, "fired": {}}), LIMITS).holds
    found = criteria.held_since(Watched.model_validate({**seen, "fired": {"A": NOW}}), LIMITS)
    assert (found.reason, found.observed) == ("fired-again", "A at 2026-01-31 03:00:00Z")
    assert criteria.peers_connected(validated(peers={"a": 3, "b": 2}), LIMITS).reason == "too-few-peers"
    assert criteria.peers_connected(validated(), LIMITS).holds


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
    return ServiceSeen(name=name, image="i", desired=3, tasks=tuple(map(task, range(1, running + 1))))


HELD = ("database-health", "storage-health", "dht-health")


def components(*names: str, **states: str) -> Components:
    """What an agent says of its components, all healthy but those that are named with a state."""
    given = dict.fromkeys(names, "healthy") | {n.replace("_", "-"): s for n, s in states.items()}
    return Components(
        components=tuple(Component(name=n, state=State(s), message="m") for n, s in given.items())
    )


class World:
    """What stands for a client: what each surface answers is set by the test."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        nodes = {n: {"host": "127.0.0.1", "agent": "http://127.0.0.1:1", "bootstrap": 1} for n in NODES}
        self.section = BzzzSection.model_validate(
            {
                "nodes": nodes,
                "services": {"manager": "supervisor+http://127.0.0.1:1"},
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
        raise Unobservable(Kind.SILENT, "not part of this test")

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
    """Where three agents run and two tell, those two do not speak for the third; unless they have decided already."""

    def seen(*values: float, **more: Any) -> Standing:
        told = samples(*values, stale=("acacia:8081: last scraped 99 s ago",))
        found: Standing = look(spec, values={"component": samples(1.0), "": told}, **more)
        return found

    assert len(seen(well, well, well).values) == len(NODES)
    with pytest.raises(Unobservable, match=r"q of 2 agents now, 3 agents run, 3 expected: acacia") as unknown:
        seen(well, well)
    assert unknown.value.kind is Kind.PRECONDITION
    assert bad in seen(well, bad).values.values()
    assert seen(well, well, alerting=True).active
    assert len(seen(well, well, services=(service(running=2),)).values) == 2
    with pytest.raises(Unobservable, match="running agents not known"):
        seen(well, well, services=())


@pytest.mark.parametrize(("spec", "well", "bad"), STANDINGS)
def test_of_two_series_of_one_agent_the_worse_counts(spec: ObservationSpec, well: float, bad: float) -> None:
    """An agent that is scraped twice, by two jobs, is judged by what is worse, in whichever order they come."""
    once = samples(well, well, well)
    twice = Sample(labels={"instance": "walnut:8081", "job": "again"}, value=bad, at=NOW)
    for series in ((twice, *once.series), (*once.series, twice)):
        told = once.model_copy(update={"series": series})
        assert look(spec, values={"component": samples(1.0), "": told}).values["walnut:8081"] == bad


@pytest.mark.parametrize(
    ("values", "known"),
    [((1, 0, 0), True), ((0, 0, 0), True), ((1, 1), True), ((1, 0), False), ((0, 0), False)],
)
def test_the_third_agent_may_be_an_admin_too(values: tuple[float, ...], known: bool) -> None:  # noqa: FBT001
    """Two admins are two whatever the third says; one, or none, of two that tell may be another number of three."""
    if known:
        assert len(look(incidents.standing_admin, values={"": samples(*values)}).values) == len(values)
        return
    with pytest.raises(Unobservable, match="3 expected"):
        look(incidents.standing_admin, values={"": samples(*values)})


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
    lost = NotAnswering(node="acacia", kind=Kind.SILENT, told="nothing")
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
    assert some.ill == ("ironwood: lists no database-health",)
    with pytest.raises(Unobservable, match="no agent lists database-health"):
        recovery(answers=answers(*[components("storage-health", "dht-health")] * 3))
    ill = recovery(answers=answers(components(*HELD[1:], database_health="degraded")))
    assert ill.ill == ("walnut: database-health degraded: m",)


def test_a_recovery_is_judged_by_every_agent() -> None:
    """Peers or copies that one of three agents does not tell leave it open, unless something is known to be wrong."""
    for part in ({"peers": samples(5, 5)}, {"factors": samples(3, 3)}):
        with pytest.raises(Unobservable, match="of 2 agents now"):
            recovery(**part)
        assert recovery(**part, services=(service(), service("bzzz-x", 2))).services["bzzz-x"] == (2, 3)
    assert recovery(samples(5, 2)).peers == {"walnut:8081": 5.0, "ironwood:8081": 2.0}
    with pytest.raises(Unobservable, match="knows no service of BZZZ"):
        recovery(services=())


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
    """Before the time is over nothing is said, unless an incident fired; after it no older firing counts."""
    assert watched(HOUR).fired == {}
    with pytest.raises(Unobservable, match="watching until 2026-01-31 03:00:10Z"):
        watched(HOUR - timedelta(seconds=10))
    early = watched(HOUR / 2, fired={"A": at(HOUR / 4)})
    assert early.fired == {"A": NOW - HOUR / 4}
    assert watched(HOUR * 9, fired={"A": at(HOUR * 1.1)}).fired == {}
    assert watched(HOUR, fired={"A": at(HOUR)}).fired.keys() == {"A"}
    assert watched(HOUR, fired={"A": ()}).fired == {}
    with pytest.raises(Unobservable, match="yet to come"):
        watched(-HOUR)


def test_a_recovery_is_not_held_by_a_prometheus_that_was_away() -> None:
    """Where the health was not measured for more than a twentieth of the time nobody knows what fired."""

    def most(share: float) -> Callable[..., tuple[tuple[datetime, float], ...]]:
        def measured(**asked: Any) -> tuple[tuple[datetime, float], ...]:
            points = always(**asked)
            return points[: int(len(points) * share)]

        return measured

    assert watched(HOUR, measured=most(0.96)).fired == {}
    for share in (0.9, 0.0):
        with pytest.raises(Unobservable, match=r"measured at \d+ of 500 instants") as seen:
            watched(HOUR, measured=most(share))
        assert seen.value.kind is Kind.EMPTY
    assert watched(HOUR, measured=most(0.0), fired={"A": at(HOUR / 2)}).fired.keys() == {"A"}


def test_a_clock_that_is_none_is_no_incident() -> None:
    """An alert whose time is not a time is another program's reply."""
    for value in (float("nan"), float("inf"), 1e300):
        with pytest.raises(Unobservable) as seen:
            watched(HOUR, fired={"A": ((NOW, value),)})
        assert seen.value.kind is Kind.UNEXPECTED_REPLY


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
def test_no_values_break_the_rules(values: list[float]) -> None:
    """Whatever figures Prometheus has, each rule judges."""
    seen = standing(*values)
    for rule, _, _ in RULES:
        assert isinstance(rule(seen).holds, bool)

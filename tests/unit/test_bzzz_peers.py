"""The rules of peers, bootstraps, links, DHT and PubSub at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.criteria import dht, peers
from fixtures.bzzz.limits import BzzzLimits
from fixtures.bzzz.seen.api import Component, State
from fixtures.bzzz.seen.dht import Operations, Replication
from fixtures.bzzz.seen.peers import (
    Bootstrap,
    Bootstraps,
    Link,
    Links,
    NodeComponents,
    NotAnswering,
    PeerLists,
    Running,
    TaskRan,
    TasksRan,
)
from opsverify.observation import Kind

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
NODES = ("walnut", "ironwood", "acacia")
RUNNING = Running(nodes=NODES)
SILENT = NotAnswering(node="acacia", kind=Kind.SILENT, told="no reply")
COUNTS = st.dictionaries(st.sampled_from(NODES), st.floats(0, 10), min_size=1)


@given(COUNTS)
def test_every_agent_has_to_have_enough_peers(counts: dict[str, float]) -> None:
    """One agent below the limit fails it, and is named first."""
    found = peers.enough_peers(PeerLists(counts=counts, running=RUNNING), LIMITS)
    few = [who for who, value in counts.items() if value < LIMITS.peers.value]
    assert found.holds is not bool(few)
    assert all(who in found.observed.split(" below")[0] for who in few)


def test_a_count_that_is_no_number_is_not_enough() -> None:
    """NaN is never enough."""
    assert not peers.enough_peers(PeerLists(counts={"a": float("nan")}, running=RUNNING), LIMITS).holds


@given(COUNTS)
def test_the_average_is_judged_as_the_alert_does_and_the_milder_is_silent_then(
    factors: dict[str, float],
) -> None:
    """Below two on average is the worse check's; an instance alone is the milder one's, only while the average holds."""
    seen = Replication(factors=factors, records=dict.fromkeys(factors, 1.0), put_rate=None, running=RUNNING)
    average = sum(factors.values()) / len(factors)
    worse, milder = dht.replicated(seen, LIMITS), dht.none_alone(seen, LIMITS)
    if abs(average - LIMITS.replication.value) > 1e-9:
        assert worse.holds is (average >= LIMITS.replication.value)
    assert worse.holds or milder.holds
    if worse.holds:
        assert milder.holds is (min(factors.values()) > LIMITS.replication_alone.value)


def test_an_instance_without_provider_records_is_named() -> None:
    """Records have to be present on every instance."""
    seen = Replication(
        factors={"a": 3, "b": 3},
        records={"a": 12, "b": 0},
        put_rate=0.5,
        running=RUNNING,
        evidence=("b: no route",),
    )
    found = dht.records_present(seen)
    assert (found.holds, found.reason) == (False, "no-provider-records")
    assert "none on b" in found.observed
    assert found.details == ("b: no route",)


@pytest.mark.parametrize(
    ("rate", "p95", "reasons"),
    [
        (1.0, 0.01, ("within-budget", "quick")),
        (0.9900001, 1.0, ("within-budget", "quick")),
        (0.98, 0.01, ("budget-burnt", "quick")),
        (1.0, 1.001, ("within-budget", "slow")),
        (float("nan"), float("nan"), ("budget-burnt", "slow")),
    ],
)
def test_the_error_budget_at_its_boundaries(rate: float, p95: float, reasons: tuple[str, str]) -> None:
    """One failure in a hundred is within the budget, more is not; the 95th percentile has its own limit."""
    seen = Operations(success={"all": rate}, p95_s=p95, window_s=300)
    found = dht.operations_succeed(seen, LIMITS), dht.quick(seen, LIMITS)
    assert tuple(f.reason for f in found) == reasons


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (("accepted", "accepted"), "accepted"),
        (("accepted", "closed"), "bootstrap-closed"),
        (("accepted", "reset"), "bootstrap-reset"),
        (("closed", "refused"), "bootstrap-refused"),
        (("silent", "not-seen"), "bootstrap-silent"),
    ],
)
def test_a_bootstrap_has_to_keep_the_connection(answers: tuple[str, ...], reason: str) -> None:
    """Accepted and closed, reset, refused and silent fail, the worst named; one that was not seen fails nothing."""
    seen = Bootstraps(
        bootstraps=tuple(
            Bootstrap.model_validate({"node": n, "address": f"{n}:9101", "answer": a})
            for n, a in zip(NODES, answers, strict=False)
        ),
        held_s=1,
    )
    found = peers.bootstraps_accept(seen, LIMITS)
    assert (found.holds, found.reason) == (reason == "accepted", reason)


def link(origin: str, target: str, *, latency_ms: float | None = 1.0, told: str = "") -> Link:
    """A link, that is reached unless something is told."""
    return Link(
        origin=origin,
        target=target,
        what="agent",
        how="by hand",
        reached=not told,
        latency_ms=latency_ms,
        told=told,
    )


def test_the_pair_that_is_cut_is_named() -> None:
    """A cut between two nodes is named as that pair, and the latency of the others is known."""
    seen = Links(
        links=(link("walnut", "acacia", told="not connected"), link("walnut", "ironwood")), places=("here",)
    )
    found = peers.every_link(seen, LIMITS)
    assert (found.holds, found.reason, found.observed) == (False, "cut", "cut: walnut to acacia")
    assert peers.every_link(Links(links=(link("a", "b"),), places=()), LIMITS).holds
    slow = Links(links=(link("a", "b", latency_ms=1000.1),), places=())
    assert peers.every_link(slow, LIMITS).reason == "slow"
    assert (
        peers.every_link(Links(links=(link("a", "b"),), places=(), silent=(SILENT,)), LIMITS).reason
        == "silent"
    )


def pubsub(state: State = State.HEALTHY, *, age_s: float = 1.0) -> NodeComponents:
    """PubSub on one node."""
    component = Component(name="pubsub-health", state=state, last_check=NOW - timedelta(seconds=age_s))
    return NodeComponents(name="pubsub-health", nodes={"walnut": component}, without=(), silent=())


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (pubsub(), "healthy"),
        (pubsub(State.DEGRADED), "pubsub-degraded"),
        (pubsub(State.UNHEALTHY), "pubsub-unhealthy"),
        (pubsub(age_s=121), "not-looked-lately"),
        (pubsub().model_copy(update={"without": ("acacia",)}), "not-listed"),
        (pubsub().model_copy(update={"silent": (SILENT,)}), "silent"),
    ],
)
def test_pubsub_has_to_be_healthy_everywhere_and_lately(seen: NodeComponents, reason: str) -> None:
    """Ill, silent, not listed and not looked at lately are four reasons."""
    found = peers.pubsub_works(seen, NOW, LIMITS)
    assert (found.holds, found.reason) == (reason == "healthy", reason)


def test_a_command_has_to_work_on_every_agent() -> None:
    """One status other than 0 fails it, and its output is shown."""
    seen = TasksRan(
        command="bzzz x",
        ran=(
            TaskRan(node="walnut", status=0, output="ok"),
            TaskRan(node="acacia", status=1, output="no peer"),
        ),
    )
    found = peers.command_worked(seen)
    assert (found.holds, found.details) == (False, ("acacia: no peer",))

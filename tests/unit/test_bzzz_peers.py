"""The rules of peers, bootstraps, links, DHT and PubSub at their boundaries."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.dht import criteria as dht
from checks.bzzz.network import criteria as peers
from opsverify.model.observation import ErrorKind
from opsverify.probes.http import Reply
from systems.bzzz.agents.client import peers_of
from systems.bzzz.agents.models import (
    Component,
    ComponentState,
    NodeComponents,
    NotAnswering,
    Running,
    TaskRan,
    TasksRan,
)
from systems.bzzz.dht.models import Operations, Replication
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.network.models import Bootstrap, Bootstraps, Link, Links, PeerLists

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
NODES = ("walnut", "ironwood", "acacia")
RUNNING = Running(nodes=NODES)
SILENT = NotAnswering(node="acacia", kind=ErrorKind.SILENT, told="no reply")
COUNTS = st.dictionaries(st.sampled_from(NODES), st.floats(0, 10), min_size=1)


def counted(*counts: float, missing: tuple[str, ...] = ()) -> PeerLists:
    """So many peers of each agent."""
    return PeerLists(
        counts=dict(zip(NODES, counts, strict=False)),
        running=RUNNING,
        wanted=len(counts),
        missing=missing,
        evidence=("e",),
    )


@pytest.mark.parametrize(
    ("seen", "limit", "holds", "reason"),
    [
        (counted(2, 4, 4), 3, False, "too-few-peers"),
        (counted(2.99, 4, 4), 3, False, "too-few-peers"),
        (counted(3, 3, 3), 3, True, "enough-peers"),
        (counted(3), 3, True, "enough-peers"),
        (counted(4, 5, 3.01), 3, True, "enough-peers"),
        (counted(3, 3, 3), 4, False, "too-few-peers"),
        (counted(float("nan"), 4, 4), 3, False, "too-few-peers"),
        (counted(3, 3, missing=("acacia",)), 3, None, "part-missing"),
        (counted(2, 3, missing=("acacia",)), 3, False, "too-few-peers"),
        (counted(), 3, None, "part-missing"),
        (counted(3, 3).model_copy(update={"wanted": 3}), 3, None, "part-missing"),
        (counted(2, 3).model_copy(update={"wanted": 3}), 3, False, "too-few-peers"),
    ],
)
def test_every_agent_has_to_have_enough_peers(
    seen: PeerLists, limit: float, reason: str, *, holds: bool | None
) -> None:
    """At least as many as the limit are enough; one agent below fails it, whoever is missing; else who is missing leaves it open."""
    found = peers.enough_peers(seen, BzzzLimits.model_validate({"peers": limit}))
    assert (found.holds, found.reason) == (holds, reason)
    assert all(each in found.observed for each in seen.missing)


@given(COUNTS)
def test_who_has_too_few_is_named_first(counts: dict[str, float]) -> None:
    """Each agent below the limit is named."""
    found = peers.enough_peers(
        PeerLists(counts=counts, running=RUNNING, wanted=len(counts), missing=()), LIMITS
    )
    few = [who for who, value in counts.items() if value < LIMITS.peers.value]
    assert found.holds is not bool(few)
    assert all(who in found.observed.split("; all: ")[0] for who in few)


def replicas(*factors: float, missing: tuple[str, ...] = (), **more: Any) -> Replication:
    """So many copies on each agent."""
    known = dict(zip(NODES, factors, strict=False))
    whole: dict[str, Any] = {
        "records": dict.fromkeys(known, 1.0),
        "put_rate": None,
        "running": RUNNING,
        "wanted": len(known),
        "missing_records": (),
    }
    return Replication(factors=known, missing_factors=missing, **{**whole, **more})


@pytest.mark.parametrize(
    ("seen", "worse", "milder"),
    [
        (replicas(2, 2, 2), "replicated", "none-alone"),
        (replicas(1.9, 2, 2), "under-replicated", "average-judged"),
        (replicas(2.1, 2, 2), "replicated", "none-alone"),
        (replicas(1, 3, 3), "replicated", "alone"),
        (replicas(1.01, 3, 3), "replicated", "none-alone"),
        (replicas(0.9, 3, 3), "replicated", "alone"),
        (replicas(1, 1, 1), "under-replicated", "average-judged"),
        (replicas(float("nan"), 3, 3), "under-replicated", "average-judged"),
        (replicas(3, 3, wanted=3), "part-missing", "part-missing"),
        (replicas(1, 3, wanted=3), "part-missing", "alone"),
        (replicas(3, 3, missing=("acacia",)), "part-missing", "part-missing"),
        (replicas(1, 1.5, missing=("acacia",)), "part-missing", "alone"),
        (replicas(), "part-missing", "part-missing"),
    ],
)
def test_the_average_is_judged_as_the_alert_does_and_the_milder_is_silent_then(
    seen: Replication, worse: str, milder: str
) -> None:
    """Below two on average is the worse check's; an instance alone is the milder one's. Of a part there is no average."""
    holds = dict.fromkeys(("replicated", "none-alone", "average-judged"), True) | {"part-missing": None}
    found = dht.replicated(seen, LIMITS), dht.none_alone(seen, LIMITS)
    assert [f.reason for f in found] == [worse, milder]
    assert [f.holds for f in found] == [holds.get(worse, False), holds.get(milder, False)]


@given(COUNTS)
def test_never_do_both_replication_checks_fail(factors: dict[str, float]) -> None:
    """Whatever the factors, at most one of the two fails."""
    seen = replicas().model_copy(update={"factors": factors, "records": dict.fromkeys(factors, 1.0)})
    assert dht.replicated(seen, LIMITS).holds or dht.none_alone(seen, LIMITS).holds


@pytest.mark.parametrize(
    ("records", "missing", "holds", "reason"),
    [
        ({"a": 1.0, "b": 2.0}, (), True, "records-present"),
        ({"a": 1.0, "b": 0.0}, (), False, "no-provider-records"),
        ({"a": 1.0, "b": float("nan")}, (), False, "no-provider-records"),
        ({"a": 0.0}, ("b",), False, "no-provider-records"),
        ({"a": 1.0}, ("b",), None, "part-missing"),
        ({}, (), None, "part-missing"),
    ],
)
def test_provider_records_are_on_every_instance(
    records: dict[str, float], missing: tuple[str, ...], reason: str, *, holds: bool | None
) -> None:
    """None on one fails; an instance of which nobody tells leaves it open."""
    found = dht.records_present(replicas(3, 3, records=records, missing_records=missing))
    assert (found.holds, found.reason) == (holds, reason)


def test_one_instance_alone_has_its_records() -> None:
    """Where one instance is all there should be, one is enough."""
    alone = replicas(3, 3, records={"a": 1.0}, missing_records=()).model_copy(update={"wanted": 1})
    assert dht.records_present(alone).holds


def test_an_instance_without_provider_records_is_named() -> None:
    """Records have to be present on every instance."""
    seen = replicas(3, 3, records={"a": 12, "b": 0}, evidence=("b: no route",))
    found = dht.records_present(seen)
    assert (found.holds, found.reason) == (False, "no-provider-records")
    assert "no provider records on b" in found.observed
    assert found.details == ("b: no route",)


@pytest.mark.parametrize(
    ("rate", "p95", "reasons"),
    [
        (1.0, 0.01, ("within-budget", "quick")),
        (0.99, 1.0, ("within-budget", "quick")),
        (0.991, 0.999, ("within-budget", "quick")),
        (0.989, 0.01, ("budget-burnt", "quick")),
        (0.98, 0.01, ("budget-burnt", "quick")),
        (1.0, 1.001, ("within-budget", "slow")),
        (float("nan"), float("nan"), ("budget-burnt", "slow")),
    ],
)
def test_the_error_budget_at_its_boundaries(rate: float, p95: float, reasons: tuple[str, str]) -> None:
    """One failure in a hundred is within the budget, more is not; the 95th percentile has its own limit."""
    seen = Operations(success={"all": rate}, p95_s=p95, window_s=300, missing=())
    found = dht.operations_succeed(seen, LIMITS), dht.quick(seen, LIMITS)
    assert tuple(f.reason for f in found) == reasons
    assert [f.holds for f in found] == [reason in {"within-budget", "quick"} for reason in reasons]


@pytest.mark.parametrize(
    ("success", "missing", "holds", "reason"),
    [
        ({"a": 1.0}, ("b 5",), None, "part-missing"),
        ({"a": 0.5}, ("b 5",), False, "budget-burnt"),
        ({}, (), None, "part-missing"),
    ],
)
def test_a_rate_that_is_none_leaves_the_budget_open(
    success: dict[str, float], missing: tuple[str, ...], reason: str, *, holds: bool | None
) -> None:
    """What is over its budget is known; else a rate that is missing is told, and none at all is no pass."""
    seen = Operations(success=success, p95_s=0.1, window_s=300, missing=missing)
    found = dht.operations_succeed(seen, LIMITS)
    assert (found.holds, found.reason) == (holds, reason)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (("accepted", "accepted"), "accepted"),
        (("accepted", "closed"), "bootstrap-closed"),
        (("accepted", "reset"), "bootstrap-reset"),
        (("closed", "refused"), "bootstrap-refused"),
        (("silent", "not-seen"), "bootstrap-silent"),
        (("closed", "reset"), "bootstrap-reset"),
        (("reset", "silent"), "bootstrap-silent"),
        (("silent", "refused"), "bootstrap-refused"),
        (("accepted", "not-seen"), "part-missing"),
        (("accepted",), "part-missing"),
        ((), "part-missing"),
    ],
)
def test_a_bootstrap_has_to_keep_the_connection(answers: tuple[str, ...], reason: str) -> None:
    """Accepted and closed, reset, refused and silent fail, the worst named; one that was not seen leaves it open."""
    seen = Bootstraps(
        wanted=NODES[:2],
        bootstraps=tuple(
            Bootstrap.model_validate({"node": n, "address": f"{n}:9101", "answer": a})
            for n, a in zip(NODES, answers, strict=False)
        ),
        held_s=1,
    )
    found = peers.bootstraps_accept(seen, LIMITS)
    holds = {"accepted": True, "part-missing": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


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
    ways = (link("walnut", "acacia", told="not connected"), link("walnut", "ironwood"))
    seen = Links(links=ways, places=("here",), silent=(), missing=())
    found = peers.every_link(seen, LIMITS)
    assert (found.holds, found.reason, found.observed) == (False, "cut", "cut: walnut to acacia")


CUT, SLOW = link("a", "b", told="not connected"), link("a", "b", latency_ms=1000.1)


@pytest.mark.parametrize(
    ("links", "more", "holds", "reason"),
    [
        ((link("a", "b"),), {}, True, "reached"),
        ((link("a", "b", latency_ms=None),), {}, True, "reached"),
        ((link("a", "b", latency_ms=999.9), link("b", "a", latency_ms=1000)), {}, True, "reached"),
        ((SLOW,), {}, False, "slow"),
        ((link("a", "b", latency_ms=float("nan")),), {}, False, "slow"),
        ((SLOW, CUT), {}, False, "cut"),
        ((CUT,), {"silent": (SILENT,)}, False, "cut"),
        ((SLOW,), {"silent": (SILENT,)}, False, "slow"),
        ((link("a", "b"),), {"silent": (SILENT,)}, None, "silent"),
        ((link("a", "b"),), {"missing": ("oak",)}, None, "part-missing"),
        ((), {}, None, "part-missing"),
    ],
)
def test_a_silent_agent_hides_its_ways(
    links: tuple[Link, ...], more: dict[str, Any], reason: str, *, holds: bool | None
) -> None:
    """A way that is cut or slow fails, whoever is silent; else a silent agent leaves it open, and no way is no pass."""
    seen = Links.model_validate({"links": links, "places": ("here",), "silent": (), "missing": (), **more})
    found = peers.every_link(seen, LIMITS)
    assert (found.holds, found.reason) == (holds, reason)
    assert ("acacia does not answer" in found.observed) is ("silent" in more)


def pubsub(state: ComponentState = ComponentState.HEALTHY, *, age_s: float = 1.0) -> NodeComponents:
    """PubSub on one node."""
    component = Component(name="pubsub-health", state=state, last_check=NOW - timedelta(seconds=age_s))
    return NodeComponents(
        name="pubsub-health", nodes={"walnut": component}, without=(), silent=(), running=Running(nodes=None)
    )


def unlike(**changes: Any) -> NodeComponents:
    """PubSub that is well where it was seen."""
    return pubsub().model_copy(update=changes)


def silent(kind: ErrorKind) -> tuple[NotAnswering, ...]:
    """A node that does not answer."""
    return (NotAnswering(node="acacia", kind=kind, told="…"),)


TWO = {
    "walnut": Component(name="p", state=ComponentState.DEGRADED),
    "oak": Component(name="p", state=ComponentState.UNHEALTHY),
}


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (pubsub(), "healthy"),
        (pubsub(ComponentState.DEGRADED), "pubsub-degraded"),
        (pubsub(ComponentState.UNHEALTHY), "pubsub-unhealthy"),
        (unlike(nodes=TWO, silent=silent(ErrorKind.RESET)), "pubsub-unhealthy"),
        (pubsub(age_s=119), "healthy"),
        (pubsub(age_s=120), "healthy"),
        (pubsub(age_s=121), "not-looked-lately"),
        (pubsub(age_s=-300), "healthy"),
        (pubsub(age_s=-301), "from-the-future"),
        (unlike(nodes={"walnut": Component(name="p", state=ComponentState.HEALTHY)}), "not-dated"),
        (unlike(without=("acacia",)), "not-listed"),
        (unlike(silent=silent(ErrorKind.REFUSED)), "refused"),
        (unlike(silent=silent(ErrorKind.SILENT), without=("acacia",)), "silent"),
        (unlike(silent=silent(ErrorKind.RESET), nodes={}), "reset"),
        (unlike(silent=silent(ErrorKind.SERVER_ERROR)), "server-error"),
        (unlike(silent=silent(ErrorKind.CERTIFICATE_EXPIRED)), "certificate-expired"),
        (unlike(silent=silent(ErrorKind.DENIED)), "part-missing"),
        (unlike(nodes={}), "part-missing"),
    ],
)
def test_pubsub_has_to_be_healthy_everywhere_and_lately(seen: NodeComponents, reason: str) -> None:
    """Ill, silent, not listed and not looked at lately are reasons of their own; when it looked has to be known."""
    found = peers.pubsub_works(seen, NOW, LIMITS)
    open_ = {"from-the-future", "not-dated", "part-missing"}
    assert (found.holds, found.reason) == (None if reason in open_ else reason == "healthy", reason)


def test_a_command_has_to_work_on_every_agent() -> None:
    """One status other than 0 fails it, and its output is shown."""
    seen = TasksRan(
        command="bzzz x",
        nodes=("walnut", "acacia"),
        ran=(
            TaskRan(node="walnut", status=0, output="ok"),
            TaskRan(node="acacia", status=1, output="no peer"),
        ),
    )
    found = peers.command_worked(seen)
    assert (found.holds, found.reason, found.details) == (False, "command-failed", ("acacia: no peer",))
    half = peers.command_worked(seen.model_copy(update={"ran": seen.ran[:1]}))
    assert (half.holds, half.reason) == (None, "part-missing")
    assert "acacia: not run" in half.observed
    well = peers.command_worked(seen.model_copy(update={"ran": seen.ran[:1], "nodes": ("walnut",)}))
    assert (well.holds, well.reason) == (True, "worked")
    none = peers.command_worked(seen.model_copy(update={"ran": ()}))
    assert (none.holds, none.reason) == (None, "part-missing")


@pytest.mark.parametrize(
    ("told", "replies", "latency"),
    [
        ({"latency_ms": 1.5}, True, 1.5),
        ({"latency_ms": 0}, True, 0.0),
        ({}, True, None),
        ({"latency_ms": None}, False, None),
        ({"latency_ms": -1}, False, None),
        ({"latency_ms": "timeout"}, False, None),
        ({"latency_ms": math.inf}, False, None),
    ],
)
def test_a_peer_that_tells_no_time_of_its_ping_has_not_replied(
    told: dict[str, Any], latency: float | None, *, replies: bool
) -> None:
    """Only where nobody measures, the peer is there without a time; null, -1 and words are a ping that failed."""
    body = json.dumps({"checks": {"p2p-health": {"peers": [{"node": "a", "kind": "agent", **told}]}}})
    (peer,) = peers_of(Reply("u", 200, "application/json", body.encode(), cut=False, date="")) or ()
    assert (peer.replies, peer.latency_ms) == (replies, latency)

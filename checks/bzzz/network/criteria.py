"""Criteria of the network between nodes: peers, bootstraps, links, PubSub, test commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown
from systems.bzzz.agents.models import ComponentState

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.bzzz.agents.models import NodeComponents, TasksRan
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.network.models import Bootstraps, Links, PeerLists

__all__ = ["bootstraps_accept", "command_worked", "enough_peers", "every_link", "pubsub_works"]

UNREACHABLE = ("refused", "silent", "reset", "server-error", "certificate-expired")
"""Errors of asking a node's agent that are the system's fault: here they are FAIL, not UNKNOWN."""
_MOST_SHOWN = 20


def enough_peers(peers: PeerLists, limits: BzzzLimits) -> Finding:
    """Each agent has enough peers."""
    few = {who: value for who, value in peers.counts.items() if not value >= limits.peers.value}
    shown = ", ".join(f"{who} {value:g}" for who, value in sorted(peers.counts.items(), key=lambda c: c[1]))
    judged = first_of(
        fail("too-few-peers", few),
        unknown("part-missing", peers.missing or len(peers.counts) < max(peers.wanted, 1)),
        ok="enough-peers",
    )
    observed = (
        f"too few peers on {', '.join(few)}; all: {shown}"
        if few
        else f"peers: {shown or 'no series'}; {peers.running}"
    )
    return judged.finding(
        expected=f"at least {limits.peers} on each running agent",
        observed="; ".join((observed, *peers.missing)),
        details=(*(() if judged.holds else peers.evidence), *peers.warnings),
        limits=(limits.peers.named("peers"),),
    )


def bootstraps_accept(bootstraps: Bootstraps, limits: BzzzLimits) -> Finding:
    """Each bootstrap accepts a connection and keeps it."""
    answers = {each.answer for each in bootstraps.bootstraps}
    bad = [b for b in bootstraps.bootstraps if b.answer != "accepted"]
    unseen = sorted({*bootstraps.wanted} - {b.node for b in bootstraps.bootstraps})
    fine = ", ".join(
        f"{b.node} {b.address} accepted in {b.connect_ms:.1f} ms"
        for b in bootstraps.bootstraps
        if b not in bad
    )
    return first_of(
        fail("bootstrap-refused", "refused" in answers),
        fail("bootstrap-silent", "silent" in answers),
        fail("bootstrap-reset", "reset" in answers),
        fail("bootstrap-closed", "closed" in answers),
        unknown("part-missing", "not-seen" in answers or not answers or unseen),
        ok="accepted",
    ).finding(
        expected=f"each of {len(bootstraps.wanted)} bootstraps accepts a connection and keeps it open for {bootstraps.held_s:g} s",
        observed=f"{len(bad)} do not: {'; '.join(map(str, bad))}"
        if bad
        else "; ".join([*([fine] if fine else []), *(f"{node} not tried" for node in unseen)]),
        details=tuple(map(str, bootstraps.bootstraps)) if bad else (),
        limits=(limits.bootstrap_hold.named("bootstrap_hold"),),
    )


def every_link(links: Links, limits: BzzzLimits) -> Finding:
    """Each node reaches each other on its ports, and no link is slow."""
    cut = [link for link in links.links if not link.reached]
    slow = [
        link
        for link in links.links
        if link.latency_ms is not None and not link.latency_ms <= limits.latency.value
    ]
    known = sorted(link.latency_ms for link in links.links if link.latency_ms is not None)
    latency = f", latency {known[0]:.1f} to {known[-1]:.1f} ms" if known else ", latency unknown"
    pairs = list(dict.fromkeys(f"{link.origin} to {link.target}" for link in cut))
    trouble = (*cut, *slow, *links.silent)
    parts = [
        *([f"cut: {', '.join(pairs)}"] if cut else []),
        *([f"{len(slow)} of {len(links.links)} links slow{latency}"] if slow and not cut else []),
        *map(str, links.silent),
        *links.missing,
    ]
    return first_of(
        fail("cut", cut),
        fail("slow", slow),
        unknown("silent", links.silent),
        unknown("part-missing", links.missing or not links.links),
        ok="reached",
    ).finding(
        expected=f"each node reaches the P2P and bootstrap port of each other node within {limits.latency}",
        observed="; ".join(parts) or f"{len(links.links)} links{latency}",
        details=(*map(str, (trouble or links.links)[:_MOST_SHOWN]), *links.places),
        limits=(limits.latency.named("latency"),),
    )


def pubsub_works(pubsub: NodeComponents, now: datetime, limits: BzzzLimits) -> Finding:
    """PubSub's active health check passes on every agent, and ran recently."""
    ill = {node: c for node, c in pubsub.nodes.items() if c.state is not ComponentState.HEALTHY}
    ages = {n: (now - c.last_check).total_seconds() for n, c in pubsub.nodes.items() if c.last_check}
    old = {node: age for node, age in ages.items() if not age <= limits.pubsub_age.value}
    ahead = {node: age for node, age in ages.items() if -age > limits.clock_ahead.value}
    undated = [node for node in pubsub.nodes if node not in ages]
    unseen = pubsub.running.without((*pubsub.nodes, *pubsub.without, *(s.node for s in pubsub.silent)))
    trouble = (
        *(f"{node}: {component}" for node, component in ill.items()),
        *map(str, pubsub.silent),
        *(f"no answer from {node}" for node in unseen),
        *(f"{node} lists no {pubsub.name}" for node in pubsub.without),
        *(f"{node}: last check {age:.0f} s ago" for node, age in old.items() if node not in ill),
        *(
            f"{node}: last check dated {-age:.0f} s in the future, by its clock"
            for node, age in ahead.items()
        ),
        *(f"{node} reports no last_check" for node in undated if node not in ill),
    )
    states = {component.state for component in ill.values()}
    return first_of(
        fail("pubsub-unhealthy", ComponentState.UNHEALTHY in states),
        fail("pubsub-degraded", ComponentState.DEGRADED in states),
        *(fail(kind, [s for s in pubsub.silent if s.kind == kind]) for kind in UNREACHABLE),
        fail("not-listed", pubsub.without),
        fail("not-looked-lately", old),
        unknown("from-the-future", ahead),
        unknown("not-dated", undated),
        unknown("part-missing", pubsub.silent or unseen or not pubsub.nodes),
        ok="healthy",
    ).finding(
        expected=f"{pubsub.name} healthy on each node, last check at most {limits.pubsub_age} ago",
        observed="; ".join(trouble) or f"healthy on {', '.join(pubsub.nodes) or 'none'}",
        limits=(limits.pubsub_age.named("pubsub_age"), limits.clock_ahead.named("clock_ahead")),
    )


def command_worked(tasks: TasksRan) -> Finding:
    """The command worked on every agent."""
    failed = [ran for ran in tasks.ran if ran.status != 0]
    left = sorted({*tasks.nodes} - {ran.node for ran in tasks.ran})
    return first_of(
        fail("command-failed", failed), unknown("part-missing", left or not tasks.ran), ok="worked"
    ).finding(
        expected=f"`{tasks.command}` exits with status 0 on each of {len(tasks.nodes)} agents",
        observed=", ".join(
            [
                *(f"{ran.node}: status {ran.status}" for ran in tasks.ran),
                *(f"{node}: not run" for node in left),
            ]
        )
        or "it ran on no agent",
        details=tuple(f"{ran.node}: {ran.output}" for ran in (failed or tasks.ran)),
    )

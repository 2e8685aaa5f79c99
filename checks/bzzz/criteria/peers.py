"""What must hold of the ways between nodes: pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures.bzzz.seen.api import State
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.peers import Bootstraps, Links, NodeComponents, PeerLists, TasksRan

__all__ = ["bootstraps_accept", "command_worked", "enough_peers", "every_link", "pubsub_works"]

_MOST_SHOWN = 20


def enough_peers(seen: PeerLists, limits: BzzzLimits) -> Finding:
    """Each agent has enough peers."""
    few = {who: value for who, value in seen.counts.items() if not value >= limits.peers.value}
    shown = ", ".join(f"{who} {value:g}" for who, value in sorted(seen.counts.items(), key=lambda c: c[1]))
    return Finding(
        holds=not few,
        reason="too-few-peers" if few else "enough-peers",
        expected=f"at least {limits.peers} on each agent, from every running one",
        observed=f"{', '.join(few)} below: {shown}" if few else f"{shown}; {seen.running}",
        details=(*(seen.evidence if few else ()), *seen.warnings),
        limits=(limits.peers.named("peers"),),
    )


def bootstraps_accept(seen: Bootstraps, limits: BzzzLimits) -> Finding:
    """Each bootstrap accepts a connection and keeps it."""
    bad = [b for b in seen.bootstraps if b.answer not in {"accepted", "not-seen"}]
    worst = sorted(bad, key=lambda b: ("closed", "reset", "silent", "refused").index(b.answer))
    fine = ", ".join(
        f"{b.node} {b.address} in {b.connect_ms:.1f} ms" for b in seen.bootstraps if b not in bad
    )
    return Finding(
        holds=not bad,
        reason=f"bootstrap-{worst[-1].answer}" if bad else "accepted",
        expected=f"each of {len(seen.bootstraps)} bootstraps accepts a connection that is still open after {seen.held_s:g} s",
        observed=f"not {'; '.join(map(str, bad))}" if bad else fine,
        details=tuple(map(str, seen.bootstraps)) if bad else (),
        limits=(limits.bootstrap_hold.named("bootstrap_hold"),),
    )


def every_link(seen: Links, limits: BzzzLimits) -> Finding:
    """Each node reaches each other on its ports, and no way is slow."""
    cut = [link for link in seen.links if not link.reached]
    slow = [
        link for link in seen.links if link.latency_ms is not None and link.latency_ms > limits.latency.value
    ]
    known = sorted(link.latency_ms for link in seen.links if link.latency_ms is not None)
    latency = f", latency {known[0]:.1f} to {known[-1]:.1f} ms" if known else ", latency not known"
    pairs = list(dict.fromkeys(f"{link.origin} to {link.target}" for link in cut))
    reason = "cut" if cut else "silent" if seen.silent else "slow" if slow else "reached"
    trouble = (*cut, *seen.silent, *slow)
    told = [*([f"cut: {', '.join(pairs)}"] if cut else []), *map(str, seen.silent)]
    return Finding(
        holds=not trouble,
        reason=reason,
        expected=f"each node reaches each other on its P2P and bootstrap port, within {limits.latency}",
        observed="; ".join(told) or f"{len(seen.links)} ways{latency}{f', {len(slow)} slow' if slow else ''}",
        details=(*map(str, (trouble or seen.links)[:_MOST_SHOWN]), *seen.places),
        limits=(limits.latency.named("latency"),),
    )


def pubsub_works(seen: NodeComponents, now: datetime, limits: BzzzLimits) -> Finding:
    """PubSub's active health check passes on every agent, and is made lately."""
    ill = {node: c for node, c in seen.nodes.items() if c.state is not State.HEALTHY}
    ages = {n: (now - c.last_check).total_seconds() for n, c in seen.nodes.items() if c.last_check}
    old = {node: age for node, age in ages.items() if age > limits.pubsub_age.value}
    reason = (
        f"pubsub-{next(iter(ill.values())).state}"
        if ill
        else str(seen.silent[0].kind)
        if seen.silent
        else "not-listed"
        if seen.without
        else "not-looked-lately"
        if old
        else "healthy"
    )
    trouble = (
        *(f"{node}: {component}" for node, component in ill.items()),
        *map(str, seen.silent),
        *(f"{node} lists no {seen.name}" for node in seen.without),
        *(f"{node}: last looked {age:.0f} s ago" for node, age in old.items() if node not in ill),
    )
    return Finding(
        holds=not trouble,
        reason=reason,
        expected=f"{seen.name} healthy on each node, looked at within {limits.pubsub_age}",
        observed="; ".join(trouble) or f"healthy on {', '.join(seen.nodes)}",
        limits=(limits.pubsub_age.named("pubsub_age"),),
    )


def command_worked(seen: TasksRan) -> Finding:
    """The command worked on every agent."""
    failed = [ran for ran in seen.ran if ran.status != 0]
    return Finding(
        holds=not failed,
        reason="command-failed" if failed else "worked",
        expected=f"`{seen.command}` ends with status 0 on each of {len(seen.ran)} agents",
        observed=", ".join(f"{ran.node}: status {ran.status}" for ran in seen.ran),
        details=tuple(f"{ran.node}: {ran.output}" for ran in (failed or seen.ran)),
    )

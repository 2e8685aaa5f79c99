"""Observations of the network between nodes: peers, bootstraps, links, PubSub."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.agents.instances import (
    component_lines,
    missing_agents,
    running_agents,
    wanted_agents,
    without_odd,
)
from systems.bzzz.agents.models import NodeComponents, Running, TasksRan
from systems.bzzz.agents.observations import Command
from systems.bzzz.client import BzzzClient
from systems.bzzz.network.models import Bootstraps, Link, Links, Peer, PeerLists

__all__ = ["P2P", "PUBSUB", "bootstraps", "connected_peers", "links", "p2p_message", "pubsub"]

P2P, PUBSUB = "p2p-health", "pubsub-health"


@observation(of="prometheus", deadline=seconds(8))
async def connected_peers(bzzz: BzzzClient) -> PeerLists:
    """How many peers each agent is connected to, by the alert's metric; and each node's own report."""
    samples, running, evidence = await asyncio.gather(
        bzzz.prometheus.current("bzzz_p2p_connected_peers"), running_agents(bzzz), component_lines(bzzz, P2P)
    )
    (counted, odd), wanted = without_odd(samples), wanted_agents(bzzz, running)
    return PeerLists(
        counts=counted.lowest,
        running=running,
        wanted=wanted,
        missing=(*missing_agents(samples, running, wanted), *odd),
        evidence=(*evidence, *samples.stale),
        warnings=samples.warnings,
    )


@observation(of="nodes", deadline=seconds(5), window="bootstrap_hold")
async def bootstraps(bzzz: BzzzClient, window: timedelta) -> Bootstraps:
    """The outcome of a connection to each DHT bootstrap that is held open."""
    tried = await bzzz.nodes.bootstraps(window)
    if not tried:
        raise Unobservable(ErrorKind.EMPTY, "the target names no bootstrap port of any node")
    if all(each.answer == "not-seen" for each in tried):
        kind = next((k for k in ErrorKind if tried[0].told.startswith(f"{k}: ")), ErrorKind.BROKEN)
        raise Unobservable(kind, "; ".join(map(str, tried)))
    wanted = tuple(name for name, node in bzzz.section.nodes.items() if node.bootstrap)
    return Bootstraps(wanted=wanted, bootstraps=tried, held_s=window.total_seconds())


@observation(of="nodes", deadline=seconds(12))
async def links(bzzz: BzzzClient) -> Links:
    """Whether each node reaches each other: by connections to the ports, and by the agents' own lists of peers."""
    running = await running_agents(bzzz)
    (reached, places), (peers, silent) = await asyncio.gather(
        bzzz.nodes.reach(), bzzz.nodes.ask(lambda agent, _: agent.peers(), running)
    )
    reported = [
        link
        for node, listed in peers.items()
        if listed is not None
        for link in _reported(bzzz, node, listed, running)
    ]
    where = ("from each agent's own list of peers", *places) if reported else places
    # Where no agent lists its peers, that is how this version reports: then the ports alone are tested.
    missing = tuple(
        f"the agent of {node} does not list its peers" for node, listed in peers.items() if listed is None
    )
    # Nothing can answer on the P2P port of a node on which no agent runs; B-SWM-1 judges whether one should.
    ports = [
        link for link in reached if link.what.startswith("bootstrap") or not running.excuses(link.target)
    ]
    return Links(
        links=(*reported, *ports),
        places=where,
        silent=silent,
        missing=missing if len(missing) < len(peers) else (),
    )


def _reported(bzzz: BzzzClient, origin: str, listed: tuple[Peer, ...], running: Running) -> list[Link]:
    """The links from one agent to each other running agent and to each bootstrap, as it reports them itself."""
    nodes = bzzz.section.nodes
    wanted = [(name, "agent") for name in nodes if name != origin and not running.excuses(name)]
    wanted += [(name, "bootstrap") for name, node in nodes.items() if node.bootstrap]
    connected = {(peer.node, peer.kind): peer for peer in listed}
    links = []
    for target, kind in wanted:
        peer = connected.get((target, kind))
        why = "not connected" if peer is None else "" if peer.replies else "connected, but does not reply"
        latency = peer.latency_ms if peer else None
        links.append(
            Link(
                origin=origin,
                target=target,
                what=kind,
                how=f"reported by the agent of {origin}",
                reached=not why,
                latency_ms=latency,
                told=why,
            )
        )
    return links


@observation(of="nodes", deadline=seconds(8))
async def pubsub(bzzz: BzzzClient) -> NodeComponents:
    """PubSub's active health check, as each node's own agent reports it."""
    running = await running_agents(bzzz)
    answers, silent = await bzzz.nodes.ask(lambda agent, _: agent.checks(), running)
    components = {node: each.named(PUBSUB) for node, each in answers.items()}
    if not silent and not any(components.values()):
        raise Unobservable(ErrorKind.EMPTY, f"no agent lists {PUBSUB}")
    return NodeComponents(
        name=PUBSUB,
        nodes={node: component for node, component in components.items() if component},
        without=tuple(node for node, component in components.items() if component is None),
        silent=silent,
        running=running,
    )


@observation(of="services", deadline=seconds(60), active="test_p2p_message")
async def p2p_message(bzzz: BzzzClient, test_p2p_message: Command) -> TasksRan:
    """The outcome of BZZZ's own P2P test message, sent from each agent."""
    del bzzz
    return await test_p2p_message()

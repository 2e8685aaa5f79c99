"""What is observed of an incident that should be over."""

from __future__ import annotations

import asyncio
import sys

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.agents.instances import (
    missing_agents,
    running_agents,
    seen_by_node,
    told,
    wanted_agents,
    without_odd,
)
from systems.bzzz.agents.models import ComponentState
from systems.bzzz.client import BzzzClient
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, PEERS, REPLICATION
from systems.bzzz.incidents.diagnostics import (
    bootstraps_told,
    components_told,
    errors_told,
    services_told,
    uses_told,
)
from systems.bzzz.incidents.models import IncidentState
from systems.bzzz.monitoring.models import Sample, Samples

__all__ = [
    "CAUSES",
    "standing_admin",
    "standing_dht",
    "standing_health",
    "standing_memory",
    "standing_peers",
    "standing_replication",
]

CAUSES = {"memory": "memory", "storage": "disk", "p2p": "network", "database": "database"}
"""Component → what the runbook calls it, in the runbook's order."""


async def _active(bzzz: BzzzClient, alert: str) -> tuple[str, ...]:
    """The alert's instances in Alertmanager, however muted."""
    found = await bzzz.alertmanager.alerts(f'alertname="{alert}"')
    return tuple(f"{one.state}: {one.told}" for one in found)


async def _of_agents(
    bzzz: BzzzClient, query: str, most: float = sys.float_info.max
) -> tuple[Samples, int, tuple[str, ...]]:
    """What Prometheus has of the agents now, of how many it should, and of whom it has nothing, or a value that is none
    from 0 to `most`.
    """
    samples, running = await asyncio.gather(bzzz.prometheus.current(query), running_agents(bzzz))
    (even, odd), wanted = without_odd(samples, most=most), wanted_agents(bzzz, running)
    return even, wanted, (*missing_agents(samples, running, wanted), *odd)


async def _components(bzzz: BzzzClient) -> tuple[Sample, ...]:
    """Scores of components that are not well. They only tell why: what is critical is so without them."""
    try:
        found = await bzzz.prometheus.current("bzzz_component_health_score")
    except Unobservable:
        return ()
    return tuple(sample for sample in found.series if sample.value < 1.0)


async def _roles(bzzz: BzzzClient) -> str:
    configs = await bzzz.services.configs()
    return ", ".join(sorted(configs)) or "none"


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_health(bzzz: BzzzClient) -> IncidentState:
    """How BZZZSystemHealthCritical stands: the scores, and the worst component of each agent."""
    ((scores, wanted, missing), components, active), (ill, uses, services, errors) = await asyncio.gather(
        asyncio.gather(
            _of_agents(bzzz, "bzzz_system_health_score", 1.0), _components(bzzz), _active(bzzz, HEALTH)
        ),
        asyncio.gather(components_told(bzzz), uses_told(bzzz), services_told(bzzz), errors_told(bzzz)),
    )
    order = [*CAUSES]
    worst: dict[str, tuple[bool, float, int, str]] = {}
    for sample in components:
        instance, name = sample.labels.get("instance", ""), sample.labels.get("component", "")
        rank = order.index(name) if name in order else len(order)
        # What the runbook knows as a cause comes before what only follows from it.
        found = (name not in order, sample.value, rank, name)
        worst[instance] = min(worst.get(instance, found), found)
    return IncidentState(
        alert=HEALTH,
        values=scores.lowest,
        wanted=wanted,
        missing=missing,
        causes={instance: CAUSES.get(name, name) for instance, (*_, name) in worst.items()},
        active=active,
        evidence=(*ill, uses, services, errors),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_peers(bzzz: BzzzClient) -> IncidentState:
    """How BZZZInsufficientPeers stands: the peers of each agent, the bootstraps, and what they wrote."""
    target = bzzz.section.services
    first = next((n for n, node in bzzz.section.nodes.items() if node.bootstrap), "")
    service = target.bootstrap(first) if target and first else ""
    ((peers, wanted, missing), active), (bootstraps, said, errors, agents) = await asyncio.gather(
        asyncio.gather(_of_agents(bzzz, "bzzz_p2p_connected_peers"), _active(bzzz, PEERS)),
        asyncio.gather(
            bootstraps_told(bzzz),
            seen_by_node(bzzz, "p2p-health"),
            errors_told(bzzz, service),
            errors_told(bzzz, word="p2p"),
        ),
    )
    return IncidentState(
        alert=PEERS,
        values=peers.lowest,
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(*bootstraps, *said, errors, agents),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_admin(bzzz: BzzzClient) -> IncidentState:
    """How BZZZNoAdminElected stands: who is admin, what each node says of the election, and the roles' configuration."""
    (states, wanted, missing), active, said, configs, errors = await asyncio.gather(
        _of_agents(bzzz, "bzzz_election_state"),
        _active(bzzz, ADMIN),
        seen_by_node(bzzz, "election-health"),
        told("configurations", _roles, bzzz),
        errors_told(bzzz, word="election"),
    )
    return IncidentState(
        alert=ADMIN,
        values={sample.who: sample.value for sample in states.worst},
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(*said, configs, errors),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_replication(bzzz: BzzzClient) -> IncidentState:
    """How BZZZDHTReplicationDegraded stands: factor and provider records, and what the managers wrote."""
    (factors, wanted, missing), active, said, records, errors = await asyncio.gather(
        _of_agents(bzzz, "bzzz_dht_replication_factor"),
        _active(bzzz, REPLICATION),
        seen_by_node(bzzz, "dht-health"),
        told("provider records", _shown, bzzz, "bzzz_dht_provider_records"),
        errors_told(bzzz, word="replication"),
    )
    return IncidentState(
        alert=REPLICATION,
        values=factors.lowest,
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(records, *said, errors),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_memory(bzzz: BzzzClient) -> IncidentState:
    """How High Memory Usage stands: the memory of each agent, and who uses most."""
    target = bzzz.prometheus.target
    (used, wanted, missing), active, uses, services = await asyncio.gather(
        _of_agents(bzzz, f'process_resident_memory_bytes{{job="{target.job}"}}'),
        _active(bzzz, target.memory),
        uses_told(bzzz),
        services_told(bzzz),
    )
    return IncidentState(
        alert=target.memory,
        values={sample.who: sample.value for sample in used.worst},
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(uses, services),
    )


@observation(of="nodes", deadline=seconds(8))
async def standing_dht(bzzz: BzzzClient) -> IncidentState:
    """Whether DHT operations fail: what each agent's own put and get came to (1 works, 0 does not), and the bootstraps."""
    running, bootstraps, errors = await asyncio.gather(
        running_agents(bzzz), bootstraps_told(bzzz), errors_told(bzzz, word="dht")
    )
    answers, silent = await bzzz.nodes.ask(lambda agent, _: agent.checks(), running)
    found = {node: each.named("dht-health") for node, each in answers.items()}
    if not any(found.values()):
        raise Unobservable(ErrorKind.EMPTY, "no agent lists dht-health")
    return IncidentState(
        alert="DHT Operations Failing",
        wanted=len(found) + len(silent),
        missing=(),
        active=(),
        values={
            node: float(c is not None and c.state is not ComponentState.UNHEALTHY)
            for node, c in found.items()
        }
        | {one.node: 0.0 for one in silent},
        causes={node: c.message for node, c in found.items() if c and c.state is ComponentState.UNHEALTHY}
        | {node: "its agent lists no dht-health" for node, c in found.items() if c is None}
        | {one.node: str(one) for one in silent},
        evidence=(*bootstraps, errors),
    )


async def _shown(bzzz: BzzzClient, query: str) -> str:
    samples = await bzzz.prometheus.current(query)
    return ", ".join(f"{sample.who} {sample.value:g}" for sample in samples.series)

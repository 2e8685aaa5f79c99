"""Observations of incidents that should be over."""

from __future__ import annotations

import asyncio
import sys

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.agents.instances import (
    component_lines,
    evidence_line,
    missing_agents,
    running_agents,
    wanted_agents,
    without_odd,
)
from systems.bzzz.agents.models import ComponentState
from systems.bzzz.client import BzzzClient
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, PEERS, REPLICATION
from systems.bzzz.incidents.diagnostics import (
    bootstrap_evidence,
    component_evidence,
    log_evidence,
    service_evidence,
    use_evidence,
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
    """The alert's instances in Alertmanager, muted ones included."""
    alerts = await bzzz.alertmanager.alerts(f'alertname="{alert}"')
    return tuple(f"{one.state}: {one.summary}" for one in alerts)


async def _of_agents(
    bzzz: BzzzClient, query: str, most: float = sys.float_info.max
) -> tuple[Samples, int, tuple[str, ...]]:
    """The agents' samples from 0 to `most`, how many agents should have one, and a message about those that have none, or
    one out of range.
    """
    samples, running = await asyncio.gather(bzzz.prometheus.current(query), running_agents(bzzz))
    (even, odd), wanted = without_odd(samples, most=most), wanted_agents(bzzz, running)
    return even, wanted, (*missing_agents(samples, running, wanted), *odd)


async def _components(bzzz: BzzzClient) -> tuple[Sample, ...]:
    """Scores of components that are not healthy. They only name the cause: a critical score stands without them."""
    try:
        samples = await bzzz.prometheus.current("bzzz_component_health_score")
    except Unobservable:
        return ()
    return tuple(sample for sample in samples.series if sample.value < 1.0)


async def _roles(bzzz: BzzzClient) -> str:
    configs = await bzzz.services.configs()
    return ", ".join(sorted(configs)) or "none"


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_health(bzzz: BzzzClient) -> IncidentState:
    """State of BZZZSystemHealthCritical: the scores, and the worst component of each agent."""
    ((scores, wanted, missing), components, active), (ill, uses, services, errors) = await asyncio.gather(
        asyncio.gather(
            _of_agents(bzzz, "bzzz_system_health_score", 1.0), _components(bzzz), _active(bzzz, HEALTH)
        ),
        asyncio.gather(
            component_evidence(bzzz), use_evidence(bzzz), service_evidence(bzzz), log_evidence(bzzz)
        ),
    )
    order = [*CAUSES]
    worst: dict[str, tuple[bool, float, int, str]] = {}
    for sample in components:
        instance, name = sample.labels.get("instance", ""), sample.labels.get("component", "")
        rank = order.index(name) if name in order else len(order)
        # A cause that the runbook names comes before its consequences.
        candidate = (name not in order, sample.value, rank, name)
        worst[instance] = min(worst.get(instance, candidate), candidate)
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
    """State of BZZZInsufficientPeers: the peers of each agent, the bootstraps, and their logs."""
    target = bzzz.section.services
    first = next((n for n, node in bzzz.section.nodes.items() if node.bootstrap), "")
    service = target.bootstrap(first) if target and first else ""
    ((peers, wanted, missing), active), (bootstraps, agents_say, errors, agents) = await asyncio.gather(
        asyncio.gather(_of_agents(bzzz, "bzzz_p2p_connected_peers"), _active(bzzz, PEERS)),
        asyncio.gather(
            bootstrap_evidence(bzzz),
            component_lines(bzzz, "p2p-health"),
            log_evidence(bzzz, service),
            log_evidence(bzzz, word="p2p"),
        ),
    )
    return IncidentState(
        alert=PEERS,
        values=peers.lowest,
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(*bootstraps, *agents_say, errors, agents),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_admin(bzzz: BzzzClient) -> IncidentState:
    """State of BZZZNoAdminElected: the admin, each node's election-health, and the configs with the roles."""
    (states, wanted, missing), active, agents_say, configs, errors = await asyncio.gather(
        _of_agents(bzzz, "bzzz_election_state"),
        _active(bzzz, ADMIN),
        component_lines(bzzz, "election-health"),
        evidence_line("configurations", _roles, bzzz),
        log_evidence(bzzz, word="election"),
    )
    return IncidentState(
        alert=ADMIN,
        values={sample.who: sample.value for sample in states.worst},
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(*agents_say, configs, errors),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_replication(bzzz: BzzzClient) -> IncidentState:
    """State of BZZZDHTReplicationDegraded: factor and provider records, and the replication managers' logs."""
    (factors, wanted, missing), active, agents_say, records, errors = await asyncio.gather(
        _of_agents(bzzz, "bzzz_dht_replication_factor"),
        _active(bzzz, REPLICATION),
        component_lines(bzzz, "dht-health"),
        evidence_line("provider records", _shown, bzzz, "bzzz_dht_provider_records"),
        log_evidence(bzzz, word="replication"),
    )
    return IncidentState(
        alert=REPLICATION,
        values=factors.lowest,
        wanted=wanted,
        missing=missing,
        active=active,
        evidence=(records, *agents_say, errors),
    )


@observation(of=("prometheus", "alertmanager"), deadline=seconds(10))
async def standing_memory(bzzz: BzzzClient) -> IncidentState:
    """State of High Memory Usage: the memory of each agent, most first."""
    target = bzzz.prometheus.target
    (used, wanted, missing), active, uses, services = await asyncio.gather(
        _of_agents(bzzz, f'process_resident_memory_bytes{{job="{target.job}"}}'),
        _active(bzzz, target.memory),
        use_evidence(bzzz),
        service_evidence(bzzz),
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
    """Whether DHT operations fail: each agent's own put and get (1 works, 0 fails), and the bootstraps."""
    running, bootstraps, errors = await asyncio.gather(
        running_agents(bzzz), bootstrap_evidence(bzzz), log_evidence(bzzz, word="dht")
    )
    answers, silent = await bzzz.nodes.ask(lambda agent, _: agent.checks(), running)
    checks = {node: each.named("dht-health") for node, each in answers.items()}
    if not any(checks.values()):
        raise Unobservable(ErrorKind.EMPTY, "no agent lists dht-health")
    return IncidentState(
        alert="DHT Operations Failing",
        wanted=len(checks) + len(silent),
        missing=(),
        active=(),
        values={
            node: float(c is not None and c.state is not ComponentState.UNHEALTHY)
            for node, c in checks.items()
        }
        | {one.node: 0.0 for one in silent},
        causes={node: c.message for node, c in checks.items() if c and c.state is ComponentState.UNHEALTHY}
        | {node: "its agent lists no dht-health" for node, c in checks.items() if c is None}
        | {one.node: str(one) for one in silent},
        evidence=(*bootstraps, errors),
    )


async def _shown(bzzz: BzzzClient, query: str) -> str:
    samples = await bzzz.prometheus.current(query)
    return ", ".join(f"{sample.who} {sample.value:g}" for sample in samples.series)

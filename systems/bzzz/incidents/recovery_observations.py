"""Observations of a recovery: its validation, and the incidents since."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from statistics import fmean

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.probes.prometheus import instant
from systems.bzzz.agents.instances import missing_agents, running_agents, wanted_agents, without_odd
from systems.bzzz.agents.models import ComponentState
from systems.bzzz.client import BzzzClient
from systems.bzzz.incidents.alerts import INCIDENTS
from systems.bzzz.incidents.models import Fired, RecoveryValidation, RecoveryWatch

__all__ = ["recovery_watched", "validated"]

_DATA = ("database-health", "storage-health", "dht-health")
_POINTS, _LEAST_STEP_S = 500, 1.0
_AWAITED = seconds(2)


@observation(of=("services", "nodes", "prometheus"), deadline=seconds(10))
async def validated(bzzz: BzzzClient) -> RecoveryValidation:
    """Services, components that hold data, peers and replication factor, after a recovery."""
    running = await running_agents(bzzz)
    services, (answers, silent), peers, factors = await asyncio.gather(
        bzzz.services.services(),
        bzzz.nodes.ask(lambda agent, _: agent.checks(), running),
        bzzz.prometheus.current("bzzz_p2p_connected_peers"),
        bzzz.prometheus.current("bzzz_dht_replication_factor"),
    )
    unlisted = tuple(name for name in _DATA if not any(each.named(name) for each in answers.values()))
    listed = [name for name in _DATA if name not in unlisted]
    held = [(node, name, each.named(name)) for node, each in answers.items() for name in listed]
    ill = [
        f"{node}: {c or f'lists no {name}'}"
        for node, name, c in held
        if c is None or c.state is not ComponentState.HEALTHY
    ]
    wanted = wanted_agents(bzzz, running)
    (even_peers, odd_peers), (even_factors, odd_factors) = without_odd(peers), without_odd(factors)
    return RecoveryValidation(
        services={s.name: (len(s.running), s.desired) for s in services},
        ill=(*ill, *map(str, silent)),
        peers=even_peers.lowest,
        copies=fmean(sample.value for sample in even_factors.series),
        unlisted=unlisted,
        wanted=wanted,
        missing_peers=(*missing_agents(peers, running, wanted), *odd_peers),
        missing_copies=(*missing_agents(factors, running, wanted), *odd_factors),
    )


@observation(of="prometheus", deadline=seconds(8))
async def recovery_watched(bzzz: BzzzClient) -> RecoveryWatch:
    """Which incidents fired since the recovery that the target declares, and how much of that time was measured.

    Raises:
        Unobservable: the target declares none, or one in the future (precondition).
    """
    recovered = bzzz.section.recovered_at
    if recovered is None:
        message = "the target does not say when the incident was recovered; add [bzzz] recovered_at"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    period = bzzz.section.limits.watched.duration
    left = recovered + period - await bzzz.prometheus.now()
    # A watch that ends within moments is awaited; a longer one does not hold the run up.
    await asyncio.sleep(max(left.total_seconds(), 0.0) if left <= _AWAITED else 0.0)
    now = await bzzz.prometheus.now()
    if recovered > now:
        raise Unobservable(
            ErrorKind.PRECONDITION, f"recovered_at {recovered:%Y-%m-%d %H:%M:%SZ} is in the future"
        )
    begin = max(recovered, now - period)
    step = timedelta(seconds=max(_LEAST_STEP_S, (now - begin).total_seconds() / _POINTS))
    names = "|".join(INCIDENTS)
    firing = f'timestamp(ALERTS{{alertname=~"{names}",alertstate="firing"}})'
    fired, scores = await asyncio.gather(
        bzzz.prometheus.range(f"max by (alertname) ({firing})", start=begin, end=now, step=step),
        bzzz.prometheus.range("count(bzzz_system_health_score)", start=begin, end=now, step=step),
    )
    # A range query repeats the last sample for minutes: timestamp() reveals samples from before the recovery.
    last = {
        s.labels.get("alertname", ""): max(instant(v) for _, v in s.points) for s in fired.series if s.points
    }
    return RecoveryWatch(
        recovered_at=recovered,
        begin=begin,
        at=now,
        fired=tuple(Fired(alert=name, at=at) for name, at in sorted(last.items()) if at >= begin),
        measured=max((len(s.points) for s in scores.series), default=0),
        instants=(now - begin) / step,
        warnings=tuple(dict.fromkeys((*fired.warnings, *scores.warnings))),
    )

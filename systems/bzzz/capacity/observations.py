"""Observations of capacity: use of nodes and tasks, kernel settings, latency of operations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.model.text import bounded_text
from systems.bzzz.capacity.models import Latency, ResourceUse, Trails, Uses
from systems.bzzz.client import BzzzClient
from systems.bzzz.services.models import TaskUse

__all__ = [
    "cpu_use",
    "dht_latency",
    "dht_latency_before",
    "disk_use",
    "io_wait",
    "kernel_settings",
    "memory_use",
    "network_use",
    "task_uses",
    "use_over_days",
]

_DEADLINE = seconds(8)


@observation(of="prometheus", deadline=_DEADLINE)
async def cpu_use(bzzz: BzzzClient) -> Uses:
    """The share of its CPUs that each node uses."""
    return await bzzz.capacity.use("cpu")


@observation(of="prometheus", deadline=_DEADLINE)
async def memory_use(bzzz: BzzzClient) -> Uses:
    """The share of its memory that each node uses."""
    return await bzzz.capacity.use("memory")


@observation(of="prometheus", deadline=_DEADLINE)
async def disk_use(bzzz: BzzzClient) -> Uses:
    """The share of each of its file systems that each node uses."""
    return await bzzz.capacity.use("disk")


@observation(of="prometheus", deadline=_DEADLINE)
async def io_wait(bzzz: BzzzClient) -> Uses:
    """The share of CPU time that waits for a disk (runbook: iostat)."""
    return await bzzz.capacity.io_wait()


@observation(of="prometheus", deadline=_DEADLINE)
async def network_use(bzzz: BzzzClient) -> Uses:
    """The share of each line's speed (runbook: iftop)."""
    return await bzzz.capacity.network()


@observation(of="prometheus", deadline=seconds(15))
async def use_over_days(bzzz: BzzzClient) -> Trails:
    """The use of CPU, memory and disk over days."""
    return await bzzz.capacity.trails()


@observation(of="services", deadline=_DEADLINE)
async def task_uses(bzzz: BzzzClient) -> tuple[TaskUse, ...]:
    """What each running task uses (runbook: docker stats)."""
    return await bzzz.services.uses()


@observation(of="prometheus", deadline=_DEADLINE)
async def dht_latency(bzzz: BzzzClient) -> Latency:
    """Median and 95th percentile of DHT operations over the window."""
    return await bzzz.capacity.latency()


@observation(of="prometheus", deadline=_DEADLINE, baseline="dht_latency")
async def dht_latency_before(
    bzzz: BzzzClient,  # noqa: ARG001 -- the first parameter names the system
    baseline: Latency | None,
) -> Latency:
    """The same in the run that `--baseline` names. Raises Unobservable where there is no such run."""
    if baseline is None:
        message = (
            "no baseline latency of this target: run `pytest checks/bzzz --target FILE --profile canary` in health"
            " (it saves one under reports/), tune, then add --baseline last-green, or that run's folder"
        )
        raise Unobservable(ErrorKind.PRECONDITION, message)
    return baseline


_SYSCTLS = {
    "net.core.rmem_max": "node_sysctl_net_core_rmem_max",
    "net.core.wmem_max": "node_sysctl_net_core_wmem_max",
}


@observation(of="prometheus", deadline=seconds(12))
async def kernel_settings(bzzz: BzzzClient) -> Uses:
    """The tuned settings of each node: from its exporter where that reports them, else through its shell."""
    try:
        settings = await asyncio.gather(*(bzzz.capacity.setting(family) for family in _SYSCTLS.values()))
    except Unobservable as why:
        if why.kind is not ErrorKind.EMPTY:
            raise
        return await _settings_by_shell(bzzz, why)
    uses = [
        ResourceUse(node=use.node, what=name, value=use.value)
        for name, each in zip(_SYSCTLS, settings, strict=True)
        for use in each.uses
    ]
    stale = dict.fromkeys(why for each in settings for why in each.stale)
    return settings[0].model_copy(update={"uses": tuple(uses), "stale": tuple(stale)})


async def _settings_by_shell(bzzz: BzzzClient, why: Unobservable) -> Uses:
    settings = await bzzz.hosts.sysctls(*_SYSCTLS)
    uses = tuple(
        ResourceUse(node=n, what=k, value=v) for n, values in settings.items() for k, v in values.items()
    )
    if not uses:
        message = f"no exporter reports net.core.rmem_max ({why.seen}), and no node's shell does"
        raise Unobservable(ErrorKind.EMPTY, bounded_text(message))
    silent = (f"{n}: has no {k}" for n, values in settings.items() for k in _SYSCTLS if k not in values)
    return Uses(at=datetime.now(UTC), uses=uses, stale=tuple(silent))

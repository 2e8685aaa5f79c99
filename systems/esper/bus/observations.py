"""Observations of the Oona bus: server, consumer groups, depth, flow, consumption, newest entries."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.esper.bus.models import (
    Consumption,
    Durability,
    Flow,
    GroupPresence,
    GroupState,
    NewestEntries,
    Progress,
    QueueState,
    RedisStatus,
    ServiceGroups,
    StreamState,
)
from systems.esper.client import EsperClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from systems.esper.bus.target import Role

__all__ = [
    "bus_durability",
    "bus_server",
    "consumer_progress",
    "emergency_queue",
    "newest_entries",
    "normal_queue",
    "service_groups",
    "stream_flow",
]

_STREAM = "stream"


@observation(of="redis", deadline=seconds(3), identity=True)
async def bus_server(esper: EsperClient) -> RedisStatus:
    """The Redis server behind the bus, at the start and at the end of the gathering."""
    return await esper.bus.server()


@observation(of="redis", deadline=seconds(5))
async def service_groups(esper: EsperClient) -> ServiceGroups:
    """Each consumer group that a service needs, on each of its streams, and whether it exists."""
    streams = {role: await esper.bus.stream(role) for role in esper.section.streams.names()}
    needed = [(group, role) for group, roles in esper.section.groups.items() for role in roles.on]
    if not needed:
        raise Unobservable(ErrorKind.EMPTY, "the target names no group that a service needs")
    return ServiceGroups(
        needed=tuple((group, streams[role].name) for group, role in needed),
        found=tuple(
            GroupPresence(
                group=group,
                stream=streams[role].name,
                kind=streams[role].kind,
                present=streams[role].group(group) is not None,
                others=tuple(g.name for g in streams[role].groups if g.name != group),
            )
            for group, role in needed
        ),
    )


@observation(of="redis", deadline=seconds(5))
async def emergency_queue(esper: EsperClient) -> StreamState:
    """The emergency stream: rerouted messages end here, and no shipped program reads it."""
    return await esper.bus.stream("emergency")


@observation(of="redis", deadline=seconds(5))
async def normal_queue(esper: EsperClient) -> QueueState:
    """Depth of the normal stream, and lag + pending of its readers."""
    stream = await esper.bus.stream("normal")
    readers = [name for name, roles in esper.section.groups.items() if "normal" in roles.reads]
    groups = [group for name in readers if (group := stream.group(name)) is not None]
    return QueueState(
        name=stream.name,
        kind=stream.kind,
        length=stream.length,
        readers=tuple(readers),
        behind={g.name: g.lag + g.pending for g in groups},
        exact=tuple(g.name for g in groups if g.lag_exact),
        missing=tuple(name for name in readers if stream.group(name) is None),
        others=tuple(g.name for g in stream.groups if g.name not in readers),
    )


@observation(of="redis", deadline=seconds(3))
async def bus_durability(esper: EsperClient) -> Durability:
    """Persistence and memory limits of the bus's Redis."""
    return await esper.bus.durability()


@observation(of="redis", deadline=seconds(5), window="window")
async def stream_flow(esper: EsperClient, window: timedelta) -> Flow:
    """Entries added to each stream over a window, and which groups read the emergency stream."""
    names = esper.section.streams.names()
    first = {role: await esper.bus.stream(role) for role in names}
    await asyncio.sleep(window.total_seconds())
    last = {role: await esper.bus.stream(role) for role in names}
    both = [role for role in names if first[role].kind == last[role].kind == _STREAM]
    return Flow(
        workload=esper.section.workload,
        added={role: last[role].added - first[role].added for role in both},
        lengths={role: last[role].length for role in both},
        names=dict(names),
        missing={
            role: next(_no_stream(each[role]) for each in (last, first) if each[role].kind != _STREAM)
            for role in names
            if role not in both
        },
        emergency_read_by=tuple(g for g, r in esper.section.groups.items() if "emergency" in r.reads),
        seconds=window.total_seconds(),
    )


@observation(of="redis", deadline=seconds(10), window="window")
async def consumer_progress(esper: EsperClient, window: timedelta) -> Consumption:
    """Progress of each service's group over a window, on each stream that the service reads."""
    pairs = [(g, role) for g, roles in esper.section.groups.items() for role in roles.reads]
    if not pairs:
        raise Unobservable(
            ErrorKind.EMPTY, "no group of the target reads a stream, so there is no consumer to observe"
        )
    first = {role: await esper.bus.stream(role) for _, role in pairs}
    before = _groups(first, pairs)
    clock = Deadline(window + esper.section.limits.settle.duration)
    await asyncio.sleep(window.total_seconds())
    while True:
        last = {role: await esper.bus.stream(role) for role in first}
        after = {pair: group for pair, group in _groups(last, pairs).items() if pair in before}
        still = [k for k, g in after.items() if g.lag and g.last_delivered == before[k].last_delivered]
        # Next to old pending entries, those in flight look like growth; they are acknowledged soon.
        still += [k for k, g in after.items() if 0 < before[k].pending < g.pending]
        if not still or clock.passed:
            break
        await asyncio.sleep(0.1)
    progress = []
    for (g, role), group in after.items():
        oldest = await esper.bus.oldest_pending(last[role].name, g)
        progress.append(
            Progress(
                group=g,
                stream=last[role].name,
                first=before[g, role],
                last=group,
                added=last[role].added - first[role].added,
                seconds=window.total_seconds(),
                settled=max(0.0, (clock.elapsed - window).total_seconds()),
                oldest=tuple(i for i, _ in oldest),
                oldest_idle_s=oldest[0][1] if oldest else 0.0,
                deleted=last[role].deleted,
            )
        )
    missing = [_lacking(g, last[role]) for g, role in pairs if (g, role) not in after]
    return Consumption(
        wanted=tuple((g, last[role].name) for g, role in pairs),
        progress=tuple(progress),
        missing=tuple(missing),
    )


@observation(of="redis", deadline=seconds(8))
async def newest_entries(esper: EsperClient) -> NewestEntries:
    """The newest entries of every stream, decoded and, where the target has the secret, verified."""
    streams, missing = await esper.bus.newest_of_each(int(esper.section.limits.newest.value))
    if not any(streams.values()):
        raise Unobservable(
            ErrorKind.EMPTY, "; ".join(missing) or f"no entries on any of {', '.join(streams)}"
        )
    return NewestEntries(
        names=tuple(dict.fromkeys(esper.section.streams.names().values())),
        counts={name: len(entries) for name, entries in streams.items()},
        streams=streams,
        missing=missing,
        verified=esper.section.secret is not None,
    )


def _groups(
    streams: Mapping[Role, StreamState], pairs: Sequence[tuple[str, Role]]
) -> dict[tuple[str, Role], GroupState]:
    """The groups that are there, by name and role."""
    return {(g, role): group for g, role in pairs if (group := streams[role].group(g)) is not None}


def _no_stream(stream: StreamState) -> str:
    """What is there instead of a stream."""
    return (
        f"{stream.name} {'does not exist' if stream.kind == 'none' else f'is a {stream.kind}, not a stream'}"
    )


def _lacking(group: str, stream: StreamState) -> str:
    """Why a group on a stream could not be observed: it, or the stream itself, does not exist."""
    if stream.kind != _STREAM:
        return _no_stream(stream)
    exists = stream.group(group) is not None
    return f"group {group} on {stream.name} {'was created within the window' if exists else 'does not exist'}"

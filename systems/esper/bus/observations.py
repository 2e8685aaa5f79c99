"""What is observed of the Oona bus: groups, depth, flow, consumers, newest entries."""

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
    """The Redis server behind the bus, seen first and again last."""
    return await esper.bus.server()


@observation(of="redis", deadline=seconds(5))
async def service_groups(esper: EsperClient) -> ServiceGroups:
    """Each consumer group that a service needs, on each of its streams: there or not."""
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
    """The emergency stream, where rerouted messages end and which no shipped program reads."""
    return await esper.bus.stream("emergency")


@observation(of="redis", deadline=seconds(5))
async def normal_queue(esper: EsperClient) -> QueueState:
    """Depth of the normal stream, and what its readers have not taken or not acknowledged yet."""
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
    """Whether the bus would survive a restart, and what full memory would do to it."""
    return await esper.bus.durability()


@observation(of="redis", deadline=seconds(5), window="window")
async def stream_flow(esper: EsperClient, window: timedelta) -> Flow:
    """What arrives on each stream over a window, and whether any service reads the emergency stream."""
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
            role: next(_instead(each[role]) for each in (last, first) if each[role].kind != _STREAM)
            for role in names
            if role not in both
        },
        emergency_read_by=tuple(g for g, r in esper.section.groups.items() if "emergency" in r.reads),
        seconds=window.total_seconds(),
    )


@observation(of="redis", deadline=seconds(10), window="window")
async def consumer_progress(esper: EsperClient, window: timedelta) -> Consumption:
    """How each service's group gets on over a window, on each stream that the service reads."""
    pairs = [(g, role) for g, roles in esper.section.groups.items() for role in roles.reads]
    if not pairs:
        raise Unobservable(
            ErrorKind.EMPTY, "the target's groups read no stream, so there is no consumer to look at"
        )
    first = {role: await esper.bus.stream(role) for _, role in pairs}
    before = _groups(first, pairs)
    clock = Deadline(window + esper.section.limits.settle.duration)
    await asyncio.sleep(window.total_seconds())
    while True:
        last = {role: await esper.bus.stream(role) for role in first}
        after = {pair: group for pair, group in _groups(last, pairs).items() if pair in before}
        still = [k for k, g in after.items() if g.lag and g.last_delivered == before[k].last_delivered]
        # Beside old deliveries that nobody acknowledges, those in flight look like growth; they go again.
        still += [k for k, g in after.items() if 0 < before[k].pending < g.pending]
        if not still or clock.passed:
            break
        await asyncio.sleep(0.1)
    found = []
    for (g, role), group in after.items():
        oldest = await esper.bus.oldest_pending(last[role].name, g)
        found.append(
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
        progress=tuple(found),
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


def _instead(stream: StreamState) -> str:
    """What stands where a stream should be."""
    return (
        f"{stream.name} {'does not exist' if stream.kind == 'none' else f'is a {stream.kind}, not a stream'}"
    )


def _lacking(group: str, stream: StreamState) -> str:
    """Why a group cannot be looked at on a stream: neither it nor, perhaps, the stream is there."""
    if stream.kind != _STREAM:
        return _instead(stream)
    there = stream.group(group) is not None
    return f"group {group} on {stream.name} {'was created within the window' if there else 'does not exist'}"

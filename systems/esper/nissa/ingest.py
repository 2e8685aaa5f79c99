"""Nissa's ingest: arrivals compared with counters, and a canary message followed to its counter."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from redis.exceptions import ResponseError

from opsverify.model.deadline import Deadline
from opsverify.model.observation import ErrorKind, Unobservable
from systems.esper.bus.models import order
from systems.esper.nissa.models import CanaryMessage, Ingest
from systems.esper.training.telemetry import CANARY_SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.esper.bus.models import Entry, StreamState
    from systems.esper.bus.target import Role
    from systems.esper.client import EsperClient

__all__ = ["PublishCanary", "observe_canary", "observe_ingest"]

_PAUSE = 0.1
# Nissa's counters by the stream that moves them (facts of the wire, 3.2 and 3.3).
_COUNTED: Mapping[Role, tuple[str, ...]] = {
    "telemetry": ("esper_telemetry_packets_total",),
    "normal": ("esper_system_state_packets_total", "esper_field_reports_total"),
}
# The same by message type: each ingested message increments its counter.
_COUNTER_OF: Mapping[str, str] = {
    "TELEMETRY": "esper_telemetry_packets_total",
    "SYSTEM_STATE": "esper_system_state_packets_total",
    "FIELD_REPORT": "esper_field_reports_total",
}
_NISSAS_GROUP = "nissa-service"
_MOST_HANDLED = 500  # with more, the result is a lower bound of what must be counted
_ACTIVE_S = 5.0  # Nissa reads each of its streams every 1.5 s


class PublishCanary(Protocol):
    """The only action of the canary: publish its packet."""

    async def __call__(self, *, packet: str, signed: bool) -> str:
        """Publish the canary packet and return its entry id."""


def _without_canary(counters: Mapping[str, float]) -> dict[str, float]:
    return {series: value for series, value in counters.items() if CANARY_SOURCE not in series}


async def _all_counters(esper: EsperClient) -> dict[str, float]:
    metrics = await esper.nissa.metrics()
    if metrics.invalid:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"/metrics cannot be parsed: {metrics.invalid}")
    if not any(family.startswith("esper_") for family in metrics.families):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, "/metrics has no esper series; see E-NIS-2")
    return metrics.counters


async def _streams(esper: EsperClient) -> dict[Role, StreamState]:
    return {role: await esper.bus.stream(role) for role in _COUNTED}


def _moved(first: Mapping[str, float], last: Mapping[str, float]) -> dict[Role, float]:
    """By how much each role's counters rose, without our own messages."""
    first, last = _without_canary(first), _without_canary(last)
    return {
        role: sum(_counter_moved(name, first, last) for name in names) for role, names in _COUNTED.items()
    }


def _counter_moved(name: str, first: Mapping[str, float], last: Mapping[str, float]) -> float:
    """By how much all series of a counter rose; after a reset, from zero."""
    series = [s for s in last if s.split("{")[0] == name]
    return sum(_forward(first.get(s, 0.0), last[s]) for s in series)


def _forward(first: float, last: float) -> float:
    return last if last < first else last - first


async def observe_ingest(esper: EsperClient, window: timedelta) -> Ingest:
    """Count arrivals over `window`, and give Nissa its settling time to count them too.

    The counters are read before the first and after the last look at the streams, so that an entry which arrived in the
    window and was counted never looks uncounted.
    """
    before = await _all_counters(esper)
    first = await _streams(esper)
    clock = Deadline(window + esper.section.limits.settle.duration)
    await asyncio.sleep(window.total_seconds())
    last = await _streams(esper)
    arrived = {role: last[role].added - first[role].added for role in last}
    emergency, now_ms = await esper.bus.stream("emergency"), await esper.bus.clock_ms()
    handled = await _handled(esper, first, last)
    while True:
        after = await _all_counters(esper)
        moved = _moved(before, after)
        kinds = {kind: _counter_moved(_COUNTER_OF[kind], before, after) for kind in handled}
        flat = any(count > 0 and moved[role] <= 0 for role, count in arrived.items())
        if clock.passed or not (flat or any(kinds[kind] < count for kind, count in handled.items())):
            break
        await asyncio.sleep(_PAUSE)
    backlog = _backlog(esper, last)
    return Ingest(
        workload=esper.section.workload,
        names={role: stream.name for role, stream in last.items()},
        missing=tuple(role for role, stream in last.items() if stream.kind != "stream"),
        quiet_s={role: _quiet_s(s, now_ms) for role, s in last.items() if s.kind == "stream"},
        rerouted=order(emergency.last_id) > order(last["normal"].last_id),
        arrived=dict(arrived),
        counted=dict(moved),
        handled=handled,
        counted_kinds=kinds,
        consumers=await _active_consumers(esper, last),
        caught_up=not backlog,
        owed=backlog,
        reset=tuple(s for s, v in after.items() if v < before.get(s, 0.0)),
        seconds=window.total_seconds(),
        settled=max(0.0, (clock.elapsed - window).total_seconds()),
    )


def _quiet_s(stream: StreamState, now_ms: int) -> float | None:
    """Seconds since the stream's last entry, or None if it never had one."""
    last_ms = order(stream.last_id)[0]
    return (now_ms - last_ms) / 1000 if last_ms else None


def _nissas_group(esper: EsperClient) -> str | None:
    """The group whose entries one Nissa counts; None if several consumers share it on purpose."""
    groups = esper.section.groups
    name = _NISSAS_GROUP if _NISSAS_GROUP in groups else next(iter(groups)) if len(groups) == 1 else None
    return name if name is not None and groups[name].consumers == 1 else None


async def _handled(
    esper: EsperClient, first: Mapping[Role, StreamState], last: Mapping[Role, StreamState]
) -> dict[str, int]:
    """By message type, how many entries Nissa's group acknowledged between two looks at the streams."""
    name, counts, done = _nissas_group(esper), dict.fromkeys(_COUNTER_OF, 0), set[str]()
    if name is None:
        return {}
    for role in (r for r in esper.section.groups[name].reads if r in last):
        before, after = first[role].group(name), last[role].group(name)
        if before is None or after is None or last[role].name in done:
            continue
        done.add(
            last[role].name
        )  # telemetry may fall back to the normal stream: then both roles are one stream
        for entry in await esper.bus.acknowledged_between(
            role, name, before.last_delivered, after.last_delivered, _MOST_HANDLED
        ):
            if entry.decoded.message_type in counts and not entry.decoded.problem:
                counts[entry.decoded.message_type] += 1
    return counts


async def _active_consumers(esper: EsperClient, streams: Mapping[Role, StreamState]) -> tuple[str, ...]:
    """Consumers of Nissa's group that have read recently."""
    name, active = _nissas_group(esper), dict[str, None]()
    for stream in streams.values() if name is not None else ():
        if name is not None and stream.group(name) is not None:
            rows = await esper.bus.consumers(stream.name, name)
            active |= {consumer: None for consumer, idle_s in rows if idle_s <= _ACTIVE_S}
    return tuple(active)


def _backlog(esper: EsperClient, streams: Mapping[Role, StreamState]) -> str:
    """Why the groups have not caught up; empty if they have."""
    pairs = [(name, r) for name, roles in esper.section.groups.items() for r in roles.reads if r in streams]
    for name, role in pairs:
        group = streams[role].group(name)
        if group is None:
            return f"group {name} does not exist on {streams[role].name}"
        if group.lag or group.pending:
            return f"group {name} on {streams[role].name} has lag {group.lag}, pending {group.pending}"
    return "" if pairs else "no group of the target reads telemetry or the normal stream"


async def observe_canary(esper: EsperClient, publish: PublishCanary) -> CanaryMessage:
    """Publish one telemetry packet without metrics and follow it until Nissa has counted it.

    It is signed like the newest real entries, and not sent if those disagree.

    Raises:
        Unobservable: no group reads telemetry, or there are no real entries, or they are mixed or signed with another secret.
    """
    if not _readers(esper):
        raise Unobservable(ErrorKind.EMPTY, "no group of the target reads telemetry; canary not sent")
    signed = _signed_as(esper, await esper.bus.newest("telemetry", int(esper.section.limits.newest.value)))
    before = await _canary_count(esper)
    packet = f"{CANARY_SOURCE}-{uuid4()}"
    clock = Deadline(esper.section.limits.canary.duration)
    try:
        entry = await publish(packet=packet, signed=signed)
    except ResponseError as error:
        return CanaryMessage(
            entry="",
            packet=packet,
            signed=signed,
            refused=str(error)[:300],
            delivered=False,
            acknowledged=False,
            counted=False,
            waited_s=clock.elapsed.total_seconds(),
            left_behind="nothing",
        )
    delivered = acknowledged = counted = False
    while not (delivered and acknowledged and counted) and not clock.passed:
        await asyncio.sleep(_PAUSE)
        delivered, acknowledged = await _delivery(esper, entry)
        counted = await _canary_count(esper) > before
    return CanaryMessage(
        entry=entry,
        packet=packet,
        signed=signed,
        refused="",
        delivered=delivered,
        acknowledged=acknowledged,
        counted=counted,
        waited_s=clock.elapsed.total_seconds(),
        left_behind="one entry, one counter series, one Elasticsearch document",
    )


def _signed_as(esper: EsperClient, newest: tuple[Entry, ...]) -> bool:
    real = [e.decoded.signature for e in newest if e.decoded.source != CANARY_SOURCE]
    if not real:
        raise Unobservable(
            ErrorKind.EMPTY, "no real telemetry entry shows whether messages are signed; canary not sent"
        )
    kinds = set(real)
    if kinds == {"valid"}:
        return True
    if kinds == {"missing"} and esper.section.secret is None:
        return False
    if kinds == {"unverified"}:
        message = "messages are signed, and the target has no secret: set leyline_secret_env; canary not sent"
        raise Unobservable(ErrorKind.CREDENTIAL_MISSING, message)
    shown = ", ".join(f"{real.count(k)} {k}" for k in sorted(kinds))
    raise Unobservable(
        ErrorKind.PRECONDITION,
        f"signatures of the newest {len(real)} telemetry entries: {shown}; canary not sent",
    )


async def _canary_count(esper: EsperClient) -> float:
    counters = await _all_counters(esper)
    return sum(
        v
        for s, v in counters.items()
        if s.startswith("esper_telemetry_packets_total{") and CANARY_SOURCE in s
    )


def _readers(esper: EsperClient) -> list[str]:
    return [name for name, roles in esper.section.groups.items() if "telemetry" in roles.reads]


async def _delivery(esper: EsperClient, entry: str) -> tuple[bool, bool]:
    """Whether the entry was delivered to every group that reads telemetry, and whether each has acknowledged it."""
    stream = await esper.bus.stream("telemetry")
    readers = _readers(esper)
    groups = [stream.group(name) for name in readers]
    delivered = all(g is not None and order(g.last_delivered) >= order(entry) for g in groups)
    if not delivered:
        return False, False
    pending = [await esper.bus.is_pending(stream.name, name, entry) for name in readers]
    return True, not any(pending)

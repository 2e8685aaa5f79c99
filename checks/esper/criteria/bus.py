"""What must hold of the Oona bus and of the Redis under it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.bus import (
        Durability,
        Flow,
        GroupPresence,
        NewestEntries,
        Progress,
        QueueState,
        RedisServer,
        StreamState,
    )
    from fixtures.esper.seen.nissa import CanaryRun
    from opsverify.observation import Bracketed

__all__ = [
    "accepts_writes",
    "canary_counted",
    "decodes",
    "durable",
    "emergency_low_and_still",
    "emptied",
    "groups_exist",
    "keeps_up",
    "memory_is_safe",
    "no_old_pending",
    "not_at_drop",
    "not_in_reroute_band",
    "not_untrimmed",
    "nothing_dropped",
    "same_server",
]


def same_server(seen: Bracketed[RedisServer]) -> Finding:
    """The server that answered first is the one that answered last."""
    same = seen.first.run_id == seen.last.run_id
    return Finding(
        holds=same,
        reason="same-server" if same else "server-replaced",
        expected="one Redis (run_id) from start to end of the run",
        observed=f"{seen.first.identity}, up {seen.first.uptime_s} s"
        if same
        else f"{seen.first.identity}, then {seen.last.identity}",
    )


def accepts_writes(server: RedisServer) -> Finding:
    """Redis knows streams, and nothing in its INFO says that it would refuse an XADD."""
    why = server.refuses or ("" if server.has_streams else f"{server.version} has no streams (5.0 has)")
    return Finding(
        holds=not why,
        reason="refuses-writes" if why else "accepts-writes",
        expected="Redis accepts stream entries",
        observed=f"it would refuse: {why}" if why else f"{server.role}, nothing in INFO speaks against it",
        details=(_REPLICA,) if server.role == "slave" else (),
    )


_REPLICA = (
    "a replica tells how the bus stands, not whether anybody can publish: programs that use this address are dead; "
    "where only the suite does, name the primary in [esper.redis], or waive E-INF-1 (refuses-writes) for this target"
)


def durable(bus: Durability) -> Finding:
    """A restart does not empty the bus: an append-only file or snapshots are on."""
    how = "an append-only file" if bus.append_only else f"snapshots ({bus.save})" if bus.save else ""
    return Finding(
        holds=bool(how),
        reason="durable" if how else "not-persistent",
        expected="streams and groups survive a restart of Redis",
        observed=f"kept by {how}"
        if how
        else "neither append-only file nor snapshots: a restart loses every stream and group",
        details=()
        if how
        else ("after a restart: Nissa first (it creates its groups), then the producers; see E-OON-1",),
    )


def memory_is_safe(bus: Durability, limits: EsperLimits) -> Finding:
    """Full memory neither evicts streams nor is near."""
    share = bus.used_memory / bus.maxmemory if bus.maxmemory else 0.0
    evicts = bool(bus.maxmemory) and bus.policy.startswith("allkeys")
    nearly = share >= limits.memory_use.value
    reason = "evicts-streams" if evicts else "nearly-full" if nearly else "memory-safe"
    size = (
        f"{bus.used_memory} of {bus.maxmemory} bytes"
        if bus.maxmemory
        else f"{bus.used_memory} bytes used, no limit"
    )
    told = "with no limit the host's memory is the limit: untrimmed streams grow until the kernel ends Redis"
    return Finding(
        holds=reason == "memory-safe",
        reason=reason,
        expected="no eviction of streams, and memory to spare",
        observed=f"{size}, maxmemory-policy {bus.policy}",
        details=(told,) if not bus.maxmemory else (),
        limits=(limits.memory_use.named("memory_use"),),
    )


def emergency_low_and_still(flow: Flow, limits: EsperLimits) -> Finding:
    """Few entries are on the emergency stream, and none arrive that nobody reads."""
    length, added, name = flow.lengths["emergency"], flow.added["emergency"], flow.names["emergency"]
    unread = added > 0 and not flow.emergency_read_by
    many = length > limits.emergency_depth.value
    reason = "growing-unread" if unread else "not-low" if many else "low"
    return Finding(
        holds=reason == "low",
        reason=reason,
        expected="few entries, and none arriving that no service reads",
        observed=f"{length} entries on {name}, {added} arrived in {flow.seconds:g} s",
        details=("no configured group reads this stream: what arrives here is never ingested",)
        if unread or many
        else (),
        limits=(limits.emergency_depth.named("emergency_depth"),),
    )


def nothing_dropped(flow: Flow, limits: EsperLimits) -> Finding:
    """Nothing speaks for messages being rerouted or dropped. Inferred: publishers keep their counters to themselves."""
    depth, normal, emergency = flow.lengths["normal"], flow.added["normal"], flow.added["emergency"]
    rerouting = emergency > 0 and depth >= limits.normal_depth.value
    dropping = depth >= limits.drop_depth.value and normal == 0 and any(flow.added.values())
    reason = "dropping" if dropping else "rerouting" if rerouting else "none-seen"
    observed = {
        "dropping": "the normal stream is past its drop threshold and takes nothing while other streams do",
        "rerouting": f"{emergency} entries went to the emergency stream while the normal one is past its threshold",
        "none-seen": f"{normal} entries on the normal stream, {emergency} on the emergency stream",
    }[reason]
    return Finding(
        holds=reason == "none-seen",
        reason=reason,
        expected="publishes are neither dropped nor rerouted",
        observed=f"{observed} in {flow.seconds:g} s, normal depth {depth}",
        details=(
            "inferred from two samples: publish_dropped and publish_rerouted live inside each publisher",
        ),
        limits=(limits.normal_depth.named("normal_depth"), limits.drop_depth.named("drop_depth")),
    )


def groups_exist(groups: tuple[GroupPresence, ...]) -> Finding:
    """Each group that a service needs exists on each of its streams."""
    missing = tuple(f"{g.stream}: {_why_missing(g)}" for g in groups if not g.present)
    names = ", ".join(dict.fromkeys(g.group for g in groups))
    return Finding(
        holds=not missing,
        reason="groups-missing" if missing else "groups-exist",
        expected=f"{names} on {', '.join(dict.fromkeys(g.stream for g in groups))}",
        observed=f"{len(missing)} of {len(groups)} missing" if missing else f"all {len(groups)} exist",
        details=missing,
    )


def _why_missing(group: GroupPresence) -> str:
    if group.kind == "none":
        return f"no such stream, so no group {group.group}"
    if group.kind != "stream":
        return f"a {group.kind}, not a stream; producers and consumers both fail on it"
    return f"group {group.group} is missing (groups there: {', '.join(group.others) or 'none'}); what arrives now never reaches it"


def _depth(queue: QueueState, limits: EsperLimits, *, fails: bool, reason: str, expected: str) -> Finding:
    behind = (
        ", ".join(f"{group} owes {count}" for group, count in queue.behind.items())
        or "no reader is configured"
    )
    others = (f"further groups there: {', '.join(queue.others)}",) if queue.others else ()
    return Finding(
        holds=not fails,
        reason=reason if fails else "depth",
        expected=expected,
        observed=f"{queue.length} entries on {queue.name}; {behind}",
        details=others,
        limits=(
            limits.normal_depth.named("normal_depth"),
            limits.drop_depth.named("drop_depth"),
            limits.in_flight.named("in_flight"),
        ),
    )


def _owed(queue: QueueState, limits: EsperLimits) -> bool:
    """Whether a reader is further behind than what is in flight at any moment."""
    return not queue.behind or max(queue.behind.values()) > limits.in_flight.value


def not_in_reroute_band(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not between the emergency and the drop threshold with readers behind."""
    inside = limits.normal_depth.value <= queue.length < limits.drop_depth.value
    return _depth(
        queue,
        limits,
        fails=inside and _owed(queue, limits),
        reason="reroute-band",
        expected=f"not in the reroute band from {limits.normal_depth} on (E-OON-2b judges from {limits.drop_depth} on)",
    )


def not_at_drop(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not at the drop threshold with readers behind."""
    fails = queue.length >= limits.drop_depth.value and _owed(queue, limits)
    return _depth(
        queue,
        limits,
        fails=fails,
        reason="drop-threshold",
        expected=f"below {limits.drop_depth}, where publishes are dropped",
    )


def not_untrimmed(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not above the emergency threshold only because nobody trims it."""
    fails = queue.length >= limits.normal_depth.value and not _owed(queue, limits)
    found = _depth(
        queue,
        limits,
        fails=fails,
        reason="untrimmed",
        expected=f"below {limits.normal_depth} once everything is consumed",
    )
    if not fails:
        return found
    told = (
        "untrimmed, not backlog: every reader is at the end, and acknowledging never shortens a stream. Publishers with "
        "thresholds reroute or drop by length all the same. Set max_stream_length (XADD MAXLEN ~), or XTRIM MINID once"
    )
    return found.model_copy(update={"details": (told, *found.details)})


def _lag(progress: Progress) -> str:
    return f"{'' if progress.last.lag_exact else 'at least '}{progress.last.lag}"


def keeps_up(all_progress: tuple[Progress, ...], limits: EsperLimits) -> Finding:
    """No group lags far, stands still while entries arrive, loses entries, or piles up deliveries that nobody acknowledges."""
    reasons, details = list[str](), list[str]()
    for p in all_progress:
        troubles = []
        waited = p.seconds + p.settled
        if p.deleted_undelivered:
            reasons.insert(0, "deleted-undelivered")
            how_many = f"{p.last.gone} entries" if p.last.gone else f"entries up to {p.deleted}"
            troubles.append(
                f"{how_many} were trimmed or deleted before the group had them (it stands at {p.last.last_delivered}): "
                "they never reach it; trim by MINID at what every group has had, never by length"
            )
        if p.last.lag and not p.advanced:
            reasons.append("group-stuck")
            troubles.append(
                f"nothing delivered for {waited:.1f} s while {p.added} arrived and {_lag(p)} wait"
            )
        elif p.last.lag > limits.lag.value:
            reasons.append("lagging")
            troubles.append(f"{_lag(p)} entries behind")
        if p.pending_grows:
            reasons.append("pending-grows")
            troubles.append(
                f"unacknowledged deliveries grew from {p.first.pending} to {p.last.pending}, oldest {p.oldest[0]} for {p.oldest_idle_s:.1f} s"
            )
        state = (
            "; ".join(troubles)
            or f"lag {_lag(p)}, pending {p.last.pending}, {p.added} arrived in {p.seconds:g} s"
        )
        details.append(f"{p.group} on {p.stream}: {state}")
    return Finding(
        holds=not reasons,
        reason=reasons[0] if reasons else "keeps-up",
        expected="every group advances, with bounded lag and pending",
        observed=f"{', '.join(dict.fromkeys(reasons))}" if reasons else f"{len(all_progress)} groups keep up",
        details=tuple(details),
        limits=(limits.lag.named("lag"), limits.settle.named("settle")),
    )


def no_old_pending(all_progress: tuple[Progress, ...], limits: EsperLimits) -> Finding:
    """No delivered entry has been waiting for its acknowledgement for long, in a set that does not grow."""
    old = [p for p in all_progress if not p.pending_grows and p.oldest_idle_s > limits.pending_age.value]
    details = tuple(
        f"{p.group} on {p.stream}: {p.last.pending} unacknowledged, oldest for {p.oldest_idle_s:.0f} s: {', '.join(p.oldest)}; "
        "no program takes them again: acknowledge or replay by hand"
        for p in old
    )
    pending = sum(p.last.pending for p in all_progress)
    return Finding(
        holds=not old,
        reason="old-pending" if old else "none-old",
        expected=f"no delivery unacknowledged for more than {limits.pending_age}",
        observed=f"{sum(p.last.pending for p in old)} old deliveries"
        if old
        else f"{pending} unacknowledged, none of them old",
        details=details,
        limits=(limits.pending_age.named("pending_age"),),
    )


def decodes(newest: NewestEntries) -> Finding:
    """Every one of the newest entries is a bus envelope of a known type, signed as the others are."""
    bad, signed, unsigned, details = Counter[str](), 0, 0, []
    for stream, entries in newest.streams.items():
        kinds = Counter(e.decoded.message_type or "?" for e in entries)
        details.append(
            f"{stream}: {len(entries)} newest: {', '.join(f'{n} {k}' for k, n in sorted(kinds.items())) or 'empty'}"
        )
        for entry in entries:
            signed += entry.decoded.signature != "missing"
            unsigned += entry.decoded.signature == "missing"
            if entry.decoded.problem is not None:
                bad[entry.decoded.problem] += 1
                details.insert(0, f"{stream} {entry.id}: {entry.decoded.problem}: {entry.decoded.detail}")
    mixed = bool(signed and unsigned and not bad)
    reason = next(iter(bad), "signatures-mixed" if mixed else "decodes")
    if mixed:
        details.insert(
            0,
            f"{signed} signed and {unsigned} unsigned: some program has no secret, and a verifying consumer refuses its messages",
        )
    how = (
        "signatures verified"
        if newest.verified
        else f"{'signed, not verified: the target has no secret' if signed else 'unsigned'}"
    )
    return Finding(
        holds=reason == "decodes",
        reason=reason,
        expected="every newest entry decodes, is of a known type, and verifies",
        observed=", ".join(f"{n} {k}" for k, n in bad.items())
        or ("signatures mixed" if mixed else f"{signed + unsigned} entries decode, {how}"),
        details=tuple(details),
    )


def canary_counted(run: CanaryRun, limits: EsperLimits) -> Finding:
    """The canary was delivered to Nissa's group, acknowledged, and counted by Nissa."""
    steps = (
        (not run.refused, "refused", f"the bus refused it: {run.refused}"),
        (run.delivered, "not-delivered", "published, never delivered to the groups that read telemetry"),
        (run.acknowledged, "not-acknowledged", "delivered, never acknowledged"),
        (run.counted, "not-counted", "acknowledged, never counted by Nissa"),
    )
    failed = next(((reason, told) for held, reason, told in steps if not held), None)
    return Finding(
        holds=failed is None,
        reason=failed[0] if failed else "counted",
        expected=f"published, delivered, acknowledged and counted within {limits.canary}",
        observed=f"{failed[1] if failed else 'counted'} after {run.waited_s:.1f} s",
        limits=(limits.canary.named("canary"),),
        details=(
            f"packet {run.packet}, entry {run.entry or 'none'}, {'signed' if run.signed else 'unsigned'}; left behind: {run.left_behind}",
        ),
    )


def emptied(stream: StreamState) -> Finding:
    """The emergency stream holds nothing: whatever was rerouted in a spike is on a stream that no service reads."""
    return Finding(
        holds=stream.length == 0,
        reason="rerouted-unread" if stream.length else "nothing-rerouted",
        expected="no rerouted message left unread",
        observed=f"{stream.length} entries on {stream.name}",
        details=("no shipped program reads it: replay these by hand, then XTRIM",) if stream.length else (),
    )

"""What must hold of Esper-Lite's bus and of Nissa: pure rules from observations and limits to findings."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.seen import (
        CanaryRun,
        GroupPresence,
        Ingest,
        NewestEntries,
        NissaHealth,
        NissaMetrics,
        NissaSummary,
        Progress,
        QueueState,
        RedisServer,
        StreamState,
    )
    from fixtures.esper.target import EsperLimits
    from opsverify.observation import Bracketed

__all__ = [
    "accepts_writes",
    "alerts_quiet",
    "canary_counted",
    "decodes",
    "emptied",
    "groups_exist",
    "healthz_ok",
    "ingests",
    "keeps_up",
    "metrics_exposed",
    "no_old_pending",
    "not_at_drop",
    "not_in_reroute_band",
    "not_untrimmed",
    "same_server",
    "slo_below_breach",
]

_FAMILIES = (
    "esper_training_runs",
    "esper_telemetry_packets",
    "esper_system_state_packets",
    "esper_field_reports",
    "esper_simic_training_reward",
    "esper_simic_training_iterations",
)


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
    """No group lags far, stands still while entries arrive, or piles up deliveries that nobody acknowledges."""
    reasons, details = [], []
    for p in all_progress:
        troubles = []
        waited = p.seconds + p.settled
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


def healthz_ok(health: NissaHealth) -> Finding:
    """Nissa says ok; it says so whatever its ingest does, so E-NIS-4 and E-OON-7 look behind it."""
    holds = health.body == "ok"
    return Finding(
        holds=holds,
        reason="alive" if holds else "not-ok",
        expected="200 with status ok",
        observed=f"{health.status} with status {health.body}",
        details=("a 200 here says nothing of ingest: see E-NIS-4",),
    )


def metrics_exposed(metrics: NissaMetrics) -> Finding:
    """The exposition parses and carries the six esper families."""
    missing = [f for f in _FAMILIES if f not in metrics.families]
    reason = "not-an-exposition" if metrics.invalid else "series-missing" if missing else "exposed"
    observed = metrics.invalid or (
        f"missing: {', '.join(missing)}" if missing else f"all six, {len(metrics.counters)} counter series"
    )
    return Finding(
        holds=reason == "exposed",
        reason=reason,
        expected=f"a valid exposition with {', '.join(_FAMILIES)}",
        observed=observed,
        details=(f"families there: {', '.join(metrics.families[:12]) or 'none'}",)
        if reason == "series-missing"
        else (),
    )


def alerts_quiet(summary: NissaSummary) -> Finding:
    """None of Nissa's alerts is active, and at least one of the core alerts could be."""
    active = tuple(
        f"{a.name}: {a.metric} was {a.value:g} when it fired; routes {', '.join(a.routes) or 'none'}"
        for a in summary.alerts
    )
    details = [*active]
    if active:
        details.append("routes are lists in Nissa's memory: nobody was paged")
    if summary.unfed:
        details.append(
            f"cannot fire, their metric is not among the newest telemetry: {', '.join(summary.unfed)}"
        )
    return Finding(
        holds=not active,
        reason="alert-active" if active else "quiet",
        expected="no active alert",
        observed=f"{len(active)} active" if active else f"quiet and fed: {', '.join(summary.fed)}",
        details=tuple(details),
    )


def slo_below_breach(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """Each SLO that is published burns below the breach line."""
    over = [s for s in summary.slos if s.burn_rate >= limits.burn_rate.value]
    shown = tuple(
        f"{s.name}: {s.violations} of {s.total} samples violate, burn rate {s.burn_rate:g}"
        for s in summary.slos
    )
    return Finding(
        holds=not over,
        reason="slo-breach" if over else "slo",
        expected=f"every burn rate below {limits.burn_rate}",
        observed=f"{len(over)} of {len(shown)} at or above"
        if over
        else (f"{len(shown)} below" if shown else "no SLO is published by this target"),
        details=shown,
        limits=(limits.burn_rate.named("burn_rate"),),
    )


def ingests(seen: Ingest) -> Finding:
    """Nissa's counters move while entries arrive; where nothing arrives, its groups owe nothing."""
    flat = [role for role, count in seen.arrived.items() if count > 0 and seen.counted[role] <= 0]
    details = [
        f"{role}: {count} arrived, counters moved by {seen.counted[role]:g}"
        for role, count in seen.arrived.items()
    ]
    details += [f"{series} went backwards: Nissa was restarted within the window" for series in seen.reset]
    if any(count > 0 for count in seen.arrived.values()):
        reason, observed = (
            ("counters-flat", f"counters flat for {', '.join(flat)}")
            if flat
            else ("ingests", "counters move")
        )
    elif seen.caught_up:
        reason, observed = "idle", "idle, caught up: nothing arrived, and the groups owe nothing"
    else:
        reason, observed = "idle-not-caught-up", f"nothing arrived, and {seen.owed}"
    return Finding(
        holds=reason in ("ingests", "idle"),
        reason=reason,
        expected="Nissa counts what arrives",
        observed=f"{observed} in {seen.seconds:g} s (+ {seen.settled:.1f} s to settle)",
        details=tuple(details),
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

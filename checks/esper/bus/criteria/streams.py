"""Criteria of the Oona bus: depth and flow of its streams, and their consumer groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.model.ladder import Judgement, Rung
    from opsverify.model.verdict import Finding
    from systems.esper.bus.models import (
        Consumption,
        Flow,
        GroupPresence,
        Progress,
        QueueState,
        ServiceGroups,
        StreamState,
    )
    from systems.esper.limits import EsperLimits

__all__ = [
    "emergency_low_and_still",
    "emptied",
    "groups_exist",
    "keeps_up",
    "no_old_pending",
    "not_at_drop",
    "not_in_reroute_band",
    "not_untrimmed",
    "nothing_dropped",
]


_SEE = "see E-OON-1"
_UNTRIMMED = (
    "untrimmed, not a backlog: every group has read to the end, and XACK does not shorten a stream. Publishers with "
    "thresholds reroute or drop by XLEN all the same. Set max_stream_length (XADD MAXLEN ~), or run XTRIM MINID once"
)


def emergency_low_and_still(flow: Flow, limits: EsperLimits) -> Finding:
    """The emergency stream has few entries, and gets no new ones while no group reads it."""
    length, added = flow.lengths.get("emergency", 0), flow.added.get("emergency", 0)
    judged = first_of(
        fail("growing-unread", added > 0 and not flow.emergency_read_by),
        fail("not-low", length > limits.emergency_depth.value),
        unknown("stream-missing", flow.missing or _unread(flow)),
        unknown("no-window", not flow.seconds > 0),
        ok="low",
    )
    unread = "no group of the target reads this stream: its entries are never ingested"
    return judged.finding(
        expected=f"at most {limits.emergency_depth}, and no new ones while no group reads the stream",
        observed=f"{length} entries on {flow.names.get('emergency', 'the emergency stream')}, {added} arrived in {flow.seconds:g} s",
        details=(*((unread,) if judged.holds is False else ()), *_missing_streams(flow)),
        limits=(limits.emergency_depth.named("emergency_depth"),),
    )


def nothing_dropped(flow: Flow, limits: EsperLimits) -> Finding:
    """No sign of rerouted or dropped messages. Inferred from lengths: publishers do not export their counters."""
    depth, name = flow.lengths.get("normal", 0), flow.names.get("normal", "the normal stream")
    normal, emergency = flow.added.get("normal", 0), flow.added.get("emergency", 0)
    arrives = any(count > 0 for count in flow.added.values())
    judged = first_of(
        fail("dropping", depth >= limits.drop_depth.value and not normal > 0 and arrives),
        fail("rerouting", emergency > 0 and depth >= limits.normal_depth.value),
        unknown("stream-missing", flow.missing or _unread(flow)),
        unknown("no-window", not flow.seconds > 0),
        unknown("no-traffic", not arrives and flow.workload == "running"),
        fine("idle", not arrives),
        ok="none-seen",
    )
    observed = {
        "dropping": f"no entry was added to {name} at its drop threshold, while other streams got entries",
        "rerouting": f"{emergency} entries went to the emergency stream, with {name} at its reroute threshold",
        "no-traffic": "nothing was published, so nothing could be dropped or rerouted, although the target says workload = running",
    }.get(judged.reason, f"{normal} entries added to {name}, {emergency} to the emergency stream")
    return judged.finding(
        expected="no publish is dropped or rerouted",
        observed=f"{observed}; window {flow.seconds:g} s, XLEN {name} {depth}",
        details=(
            "inferred from two samples: publishers count publish_dropped and publish_rerouted, and do not export them",
            *_missing_streams(flow),
        ),
        limits=(limits.normal_depth.named("normal_depth"), limits.drop_depth.named("drop_depth")),
    )


def _unread(flow: Flow) -> list[str]:
    """Streams without a length or a count of added entries."""
    return [name for role, name in flow.names.items() if role not in flow.lengths or role not in flow.added]


def _missing_streams(flow: Flow) -> tuple[str, ...]:
    return tuple(f"{text}; {_SEE}" for text in dict.fromkeys(flow.missing.values()))


def groups_exist(groups: ServiceGroups) -> Finding:
    """Each group that a service needs exists on each of its streams."""
    missing = tuple(f"{g.stream}: {_why_missing(g)}" for g in groups.found if not g.present)
    names = ", ".join(dict.fromkeys(group for group, _ in groups.needed))
    count = len(groups.needed)
    return first_of(
        fail("groups-missing", missing),
        unknown("part-missing", groups.untold),
        unknown("no-groups", not groups.found),
        ok="groups-exist",
    ).finding(
        expected=f"consumer group {names} on {', '.join(dict.fromkeys(stream for _, stream in groups.needed))}",
        observed=f"{len(missing)} of {count} consumer groups missing"
        if missing
        else f"not observed: {', '.join(groups.untold)}"
        if groups.untold
        else f"all {count} consumer groups exist",
        details=missing,
    )


def _why_missing(group: GroupPresence) -> str:
    if group.kind == "none":
        return f"the stream does not exist, so neither does group {group.group}"
    if group.kind != "stream":
        return f"key of type {group.kind}, not a stream: XADD and XREADGROUP fail with WRONGTYPE"
    return f"group {group.group} does not exist (groups there: {', '.join(group.others) or 'none'}); entries that arrive now are never delivered to it"


def _depth(
    queue: QueueState, judged: Judgement, limits: EsperLimits, *, expected: str, details: tuple[str, ...] = ()
) -> Finding:
    backlog = (
        ", ".join(
            f"group {group}: lag + pending {'at least ' if group in queue.at_least else ''}{count}"
            for group, count in queue.behind.items()
        )
        or "no group of the target reads it"
    )
    if queue.untold:
        details = (*details, f"missing consumer groups: {', '.join(queue.untold)}; {_SEE}")
        backlog = backlog if queue.behind else "its consumer groups do not exist"
    if queue.others:
        details = (*details, f"other groups on the stream: {', '.join(queue.others)}")
    if queue.kind != "stream":
        backlog = f"{_no_stream(queue.kind)}; {_SEE}"
    return judged.finding(
        expected=expected,
        observed=f"{queue.length} entries on {queue.name}; {backlog}",
        details=details,
        limits=(
            limits.normal_depth.named("normal_depth"),
            limits.drop_depth.named("drop_depth"),
            limits.in_flight.named("in_flight"),
        ),
    )


def _no_stream(kind: str) -> str:
    return "the stream does not exist" if kind == "none" else f"the key has type {kind}, not stream"


def _has_backlog(queue: QueueState, limits: EsperLimits) -> bool:
    """Whether a group is known to be behind by more than what is in flight at any moment, or nobody reads at all."""
    if not queue.behind:
        return not queue.untold
    return max(queue.behind.values()) > limits.in_flight.value


def _only_untrimmed(queue: QueueState, limits: EsperLimits) -> bool:
    """Whether each group is known to have read to the end: then the entries are only untrimmed, not a backlog."""
    return not (_has_backlog(queue, limits) or queue.untold or queue.at_least)


def _unreadable(queue: QueueState) -> tuple[Rung, ...]:
    """Reasons why the groups' backlog is not known."""
    return (
        unknown("stream-missing", queue.kind != "stream"),
        unknown("group-missing", queue.untold),
    )


def not_in_reroute_band(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue has no backlog between the reroute and the drop threshold, and is not untrimmed at the latter.

    At the drop threshold publishers drop every message by XLEN alone, even if every group has read the stream.
    """
    long = queue.length >= limits.drop_depth.value
    inside, backlog = limits.normal_depth.value <= queue.length and not long, _has_backlog(queue, limits)
    judged = first_of(
        fail("reroute-band", inside and backlog),
        fail("untrimmed-at-drop", long and _only_untrimmed(queue, limits)),
        *_unreadable(queue),
        unknown("lag-not-counted", (inside or (long and not backlog)) and queue.at_least),
        ok="depth",
    )
    expected = (
        f"below {limits.normal_depth} (reroute threshold), or no backlog and below {limits.drop_depth} (drop threshold); "
        "a backlog at the drop threshold is E-OON-2b"
    )
    untrimmed = judged.reason == "untrimmed-at-drop"
    return _depth(queue, judged, limits, expected=expected, details=(_UNTRIMMED,) if untrimmed else ())


def not_at_drop(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue has no backlog at the drop threshold."""
    long = queue.length >= limits.drop_depth.value
    judged = first_of(
        fail("drop-threshold", long and _has_backlog(queue, limits)),
        *_unreadable(queue),
        unknown("lag-not-counted", long and queue.at_least),
        ok="depth",
    )
    return _depth(
        queue,
        judged,
        limits,
        expected=f"below {limits.drop_depth}, where publishes are dropped, or no backlog",
    )


def not_untrimmed(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not at the reroute threshold only because nobody trims it."""
    long, backlog = queue.length >= limits.normal_depth.value, _has_backlog(queue, limits)
    judged = first_of(
        fail("untrimmed", long and _only_untrimmed(queue, limits)),
        *_unreadable(queue),
        unknown("lag-not-counted", long and not backlog and queue.at_least),
        ok="depth",
    )
    return _depth(
        queue,
        judged,
        limits,
        expected=f"below {limits.normal_depth} once every group has read to the end",
        details=(_UNTRIMMED,) if judged.holds is False else (),
    )


def _lag(progress: Progress) -> str:
    return f"{'' if progress.last.lag_exact else 'at least '}{progress.last.lag}"


def keeps_up(consumption: Consumption, limits: EsperLimits) -> Finding:
    """No group lags far, stands still while entries arrive, loses entries before delivery, or piles up pending ones."""
    gone = [p for p in consumption.progress if p.deleted_undelivered]
    stuck = [p for p in consumption.progress if p.last.lag and not p.advanced]
    far = [p for p in consumption.progress if p not in stuck and not p.last.lag <= limits.lag.value]
    grows = [p for p in consumption.progress if p.pending_grows]
    uncounted = [p for p in consumption.progress if not p.last.lag_exact]
    judged = first_of(
        fail("deleted-undelivered", gone),
        fail(
            "pending-grows", grows
        ),  # no program runs XCLAIM: pending entries are as good as lost, a lag is not
        fail("group-stuck", stuck),
        fail("lagging", far),
        unknown("group-missing", consumption.missing or consumption.untold),
        unknown("lag-not-counted", uncounted),
        unknown("not-a-number", any(p.untold for p in consumption.progress)),
        unknown("no-groups", not consumption.progress),
        unknown("no-window", any(not p.seconds > 0 for p in consumption.progress)),
        ok="keeps-up",
    )
    details = [f"{text}; {_SEE}" for text in consumption.missing]
    for p in consumption.progress:
        lines = []
        if p in gone:
            how_many = f"{p.last.gone} entries" if p.last.gone else f"entries up to {p.deleted}"
            lines.append(
                f"{how_many} were trimmed or deleted before delivery (last-delivered-id {p.last.last_delivered}): the group "
                "never gets them; trim with XTRIM MINID at what every group has read, never with MAXLEN"
            )
        if p in stuck:
            lines.append(
                f"nothing delivered for {p.seconds + p.settled:.1f} s while {p.added} entries arrived; lag {_lag(p)}"
            )
        if p in far:
            lines.append(f"lag {_lag(p)} entries")
        if p in grows:
            lines.append(
                f"pending grew from {p.first.pending} to {p.last.pending}, oldest {', '.join(p.oldest[:1])} idle for {p.oldest_idle_s:.1f} s"
            )
        state = (
            "; ".join(lines)
            or f"lag {_lag(p)}, pending {p.last.pending}, {p.added} entries arrived in {p.seconds:g} s"
        )
        details.append(f"{p.group} on {p.stream}: {state}")
    problems = {
        "entries lost before delivery": gone,
        "pending grows": grows,
        "no progress": stuck,
        "lag above its limit": far,
    }
    shown = [f"{what}: {_groups(progress)}" for what, progress in problems.items() if progress]
    shown += consumption.missing or [f"{group}: not observed" for group in consumption.untold]
    return judged.finding(
        expected=f"every group advances, its lag is at most {limits.lag}, and its pending entries do not grow",
        observed="; ".join(shown)
        or f"{len(consumption.progress)} groups keep up{' (lag is a lower bound)' if uncounted else ''}",
        details=tuple(details),
        limits=(limits.lag.named("lag"), limits.settle.named("settle")),
    )


def _groups(progress: Sequence[Progress]) -> str:
    return ", ".join(f"{p.group} on {p.stream} (lag {_lag(p)}, pending {p.last.pending})" for p in progress)


def no_old_pending(consumption: Consumption, limits: EsperLimits) -> Finding:
    """No entry has been pending for long, in a set of pending entries that does not grow."""
    grows = [p for p in consumption.progress if p.pending_grows]
    old = [
        p for p in consumption.progress if p not in grows and not p.oldest_idle_s <= limits.pending_age.value
    ]
    judged = first_of(
        fail("old-pending", old),
        unknown("group-missing", consumption.missing or consumption.untold),
        unknown("not-a-number", any(p.untold for p in consumption.progress)),
        unknown("no-groups", not consumption.progress),
        fine("growing", grows),
        ok="none-old",
    )
    details = tuple(
        f"{p.group} on {p.stream}: {p.last.pending} pending, oldest idle for {p.oldest_idle_s:.0f} s: {', '.join(p.oldest) or 'none'}; "
        "no program runs XCLAIM: XACK or replay them by hand"
        for p in old
    )
    pending = sum(p.last.pending for p in consumption.progress)
    age = "growing: see E-OON-5" if grows else f"none idle for more than {limits.pending_age}"
    return judged.finding(
        expected=f"no entry pending for more than {limits.pending_age}",
        observed=f"{sum(p.last.pending for p in old)} pending, oldest idle for {max(p.oldest_idle_s for p in old):.0f} s"
        if old
        else f"{pending} pending, {age}",
        details=(*details, *(f"{text}; {_SEE}" for text in consumption.missing)),
        limits=(limits.pending_age.named("pending_age"),),
    )


def emptied(stream: StreamState) -> Finding:
    """The emergency stream is empty: no service reads it, so what was rerouted in a spike stays there unread."""
    exists = stream.kind == "stream"
    return first_of(
        fail("rerouted-unread", stream.length),
        unknown("stream-missing", not exists),
        ok="nothing-rerouted",
    ).finding(
        expected="emergency stream empty: no rerouted message left unread",
        observed=f"{stream.length} entries on {stream.name}{'' if exists else f': {_no_stream(stream.kind)}'}",
        details=(
            "no shipped program reads this stream: replay the entries to the normal stream by hand, then XTRIM",
        )
        if stream.length
        else (),
    )

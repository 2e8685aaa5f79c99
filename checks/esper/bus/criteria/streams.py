"""What must hold of the Oona bus: its streams, their depth, and their consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
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
    "untrimmed, not backlog: every reader is at the end, and acknowledging never shortens a stream. Publishers with "
    "thresholds reroute or drop by length all the same. Set max_stream_length (XADD MAXLEN ~), or XTRIM MINID once"
)


def emergency_low_and_still(flow: Flow, limits: EsperLimits) -> Finding:
    """Few entries are on the emergency stream, and none arrive that nobody reads."""
    length, added = flow.lengths.get("emergency", 0), flow.added.get("emergency", 0)
    judged = first_of(
        fail("growing-unread", added > 0 and not flow.emergency_read_by),
        fail("not-low", length > limits.emergency_depth.value),
        unknown("stream-missing", flow.missing or _unread(flow)),
        unknown("no-window", not flow.seconds > 0),
        ok="low",
    )
    unread = "no configured group reads this stream: what arrives here is never ingested"
    return judged.finding(
        expected="few entries, and none arriving that no service reads",
        observed=f"{length} entries on {flow.names.get('emergency', 'the emergency stream')}, {added} arrived in {flow.seconds:g} s",
        details=(*((unread,) if judged.holds is False else ()), *_instead(flow)),
        limits=(limits.emergency_depth.named("emergency_depth"),),
    )


def nothing_dropped(flow: Flow, limits: EsperLimits) -> Finding:
    """Nothing speaks for messages being rerouted or dropped. Inferred: publishers keep their counters to themselves."""
    depth = flow.lengths.get("normal", 0)
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
        "dropping": "the normal stream is past its drop threshold and takes nothing while other streams do",
        "rerouting": f"{emergency} entries went to the emergency stream while the normal one is past its threshold",
        "no-traffic": "nothing was published, so nothing could be dropped or rerouted; the target says workload = running",
    }.get(judged.reason, f"{normal} entries on the normal stream, {emergency} on the emergency stream")
    return judged.finding(
        expected="publishes are neither dropped nor rerouted",
        observed=f"{observed} in {flow.seconds:g} s, normal depth {depth}",
        details=(
            "inferred from two samples: publish_dropped and publish_rerouted live inside each publisher",
            *_instead(flow),
        ),
        limits=(limits.normal_depth.named("normal_depth"), limits.drop_depth.named("drop_depth")),
    )


def _unread(flow: Flow) -> list[str]:
    """The streams of which nothing is said."""
    return [name for role, name in flow.names.items() if role not in flow.lengths or role not in flow.added]


def _instead(flow: Flow) -> tuple[str, ...]:
    return tuple(f"{told}; {_SEE}" for told in dict.fromkeys(flow.missing.values()))


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
        expected=f"{names} on {', '.join(dict.fromkeys(stream for _, stream in groups.needed))}",
        observed=f"{len(missing)} of {count} missing"
        if missing
        else f"nothing is told of {', '.join(groups.untold)}"
        if groups.untold
        else f"all {count} exist",
        details=missing,
    )


def _why_missing(group: GroupPresence) -> str:
    if group.kind == "none":
        return f"no such stream, so no group {group.group}"
    if group.kind != "stream":
        return f"a {group.kind}, not a stream; producers and consumers both fail on it"
    return f"group {group.group} is missing (groups there: {', '.join(group.others) or 'none'}); what arrives now never reaches it"


def _depth(
    queue: QueueState, judged: Judgement, limits: EsperLimits, *, expected: str, told: tuple[str, ...] = ()
) -> Finding:
    behind = (
        ", ".join(
            f"{group} owes {'at least ' if group in queue.at_least else ''}{count}"
            for group, count in queue.behind.items()
        )
        or "no reader is configured"
    )
    details = list(told)
    if queue.untold:
        details.append(f"groups that do not exist: {', '.join(queue.untold)}; {_SEE}")
        behind = behind if queue.behind else "the readers' groups do not exist"
    if queue.others:
        details.append(f"further groups there: {', '.join(queue.others)}")
    if queue.kind != "stream":
        behind = f"it is no stream (type {queue.kind}); {_SEE}"
    return judged.finding(
        expected=expected,
        observed=f"{queue.length} entries on {queue.name}; {behind}",
        details=tuple(details),
        limits=(
            limits.normal_depth.named("normal_depth"),
            limits.drop_depth.named("drop_depth"),
            limits.in_flight.named("in_flight"),
        ),
    )


def _owed(queue: QueueState, limits: EsperLimits) -> bool:
    """Whether a reader is known to be further behind than what is in flight at any moment, or nobody reads at all."""
    if not queue.behind:
        return not queue.untold
    return max(queue.behind.values()) > limits.in_flight.value


def _only_untrimmed(queue: QueueState, limits: EsperLimits) -> bool:
    """Whether each reader is known to be at the end: then what stands there is only what nobody has trimmed."""
    return not (_owed(queue, limits) or queue.untold or queue.at_least)


def _untold(queue: QueueState) -> tuple[Rung, ...]:
    """What keeps from saying how far the readers are."""
    return (
        unknown("stream-missing", queue.kind != "stream"),
        unknown("group-missing", queue.untold),
    )


def not_in_reroute_band(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not between the emergency and the drop threshold with readers behind, nor untrimmed at the latter.

    From there on publishers lose every message by length alone, whoever has read what stands there.
    """
    long = queue.length >= limits.drop_depth.value
    inside, owed = limits.normal_depth.value <= queue.length and not long, _owed(queue, limits)
    judged = first_of(
        fail("reroute-band", inside and owed),
        fail("untrimmed-at-drop", long and _only_untrimmed(queue, limits)),
        *_untold(queue),
        unknown("lag-not-counted", (inside or (long and not owed)) and queue.at_least),
        ok="depth",
    )
    expected = (
        f"not in the reroute band from {limits.normal_depth} on (E-OON-2b judges from {limits.drop_depth} on)"
    )
    untrimmed = judged.reason == "untrimmed-at-drop"
    return _depth(queue, judged, limits, expected=expected, told=(_UNTRIMMED,) if untrimmed else ())


def not_at_drop(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not at the drop threshold with readers behind."""
    long = queue.length >= limits.drop_depth.value
    judged = first_of(
        fail("drop-threshold", long and _owed(queue, limits)),
        *_untold(queue),
        unknown("lag-not-counted", long and queue.at_least),
        ok="depth",
    )
    return _depth(queue, judged, limits, expected=f"below {limits.drop_depth}, where publishes are dropped")


def not_untrimmed(queue: QueueState, limits: EsperLimits) -> Finding:
    """The queue is not above the emergency threshold only because nobody trims it."""
    long, owed = queue.length >= limits.normal_depth.value, _owed(queue, limits)
    judged = first_of(
        fail("untrimmed", long and _only_untrimmed(queue, limits)),
        *_untold(queue),
        unknown("lag-not-counted", long and not owed and queue.at_least),
        ok="depth",
    )
    return _depth(
        queue,
        judged,
        limits,
        expected=f"below {limits.normal_depth} once everything is consumed",
        told=(_UNTRIMMED,) if judged.holds is False else (),
    )


def _lag(progress: Progress) -> str:
    return f"{'' if progress.last.lag_exact else 'at least '}{progress.last.lag}"


def keeps_up(seen: Consumption, limits: EsperLimits) -> Finding:
    """No group lags far, stands still while entries arrive, loses entries, or piles up deliveries that nobody acknowledges."""
    gone = [p for p in seen.progress if p.deleted_undelivered]
    stuck = [p for p in seen.progress if p.last.lag and not p.advanced]
    far = [p for p in seen.progress if p not in stuck and not p.last.lag <= limits.lag.value]
    grows = [p for p in seen.progress if p.pending_grows]
    uncounted = [p for p in seen.progress if not p.last.lag_exact]
    judged = first_of(
        fail("deleted-undelivered", gone),
        fail("pending-grows", grows),  # nobody claims them: they are as good as lost, what waits is not
        fail("group-stuck", stuck),
        fail("lagging", far),
        unknown("group-missing", seen.missing or seen.untold),
        unknown("lag-not-counted", uncounted),
        unknown("not-a-number", any(p.untold for p in seen.progress)),
        unknown("no-groups", not seen.progress),
        unknown("no-window", any(not p.seconds > 0 for p in seen.progress)),
        ok="keeps-up",
    )
    details = [f"{told}; {_SEE}" for told in seen.missing]
    for p in seen.progress:
        troubles = []
        if p in gone:
            how_many = f"{p.last.gone} entries" if p.last.gone else f"entries up to {p.deleted}"
            troubles.append(
                f"{how_many} were trimmed or deleted before the group had them (it stands at {p.last.last_delivered}): "
                "they never reach it; trim by MINID at what every group has had, never by length"
            )
        if p in stuck:
            troubles.append(
                f"nothing delivered for {p.seconds + p.settled:.1f} s while {p.added} arrived and {_lag(p)} wait"
            )
        if p in far:
            troubles.append(f"{_lag(p)} entries behind")
        if p in grows:
            troubles.append(
                f"unacknowledged deliveries grew from {p.first.pending} to {p.last.pending}, oldest {', '.join(p.oldest[:1])} for {p.oldest_idle_s:.1f} s"
            )
        state = (
            "; ".join(troubles)
            or f"lag {_lag(p)}, pending {p.last.pending}, {p.added} arrived in {p.seconds:g} s"
        )
        details.append(f"{p.group} on {p.stream}: {state}")
    wrong = {
        "deleted-undelivered": gone,
        "pending-grows": grows,
        "group-stuck": stuck,
        "lagging": far,
        "missing": seen.missing or seen.untold,
    }
    return judged.finding(
        expected="every group advances, with bounded lag and pending",
        observed=", ".join(what for what, found in wrong.items() if found)
        or f"{len(seen.progress)} groups keep up{', as far as they are counted' if uncounted else ''}",
        details=tuple(details),
        limits=(limits.lag.named("lag"), limits.settle.named("settle")),
    )


def no_old_pending(seen: Consumption, limits: EsperLimits) -> Finding:
    """No delivered entry has been waiting for its acknowledgement for long, in a set that does not grow."""
    grows = [p for p in seen.progress if p.pending_grows]
    old = [p for p in seen.progress if p not in grows and not p.oldest_idle_s <= limits.pending_age.value]
    judged = first_of(
        fail("old-pending", old),
        unknown("group-missing", seen.missing or seen.untold),
        unknown("not-a-number", any(p.untold for p in seen.progress)),
        unknown("no-groups", not seen.progress),
        fine("growing", grows),
        ok="none-old",
    )
    details = tuple(
        f"{p.group} on {p.stream}: {p.last.pending} unacknowledged, oldest for {p.oldest_idle_s:.0f} s: {', '.join(p.oldest)}; "
        "no program takes them again: acknowledge or replay by hand"
        for p in old
    )
    pending = sum(p.last.pending for p in seen.progress)
    calm = "they grow: E-OON-5 judges them" if grows else "none of them old"
    return judged.finding(
        expected=f"no delivery unacknowledged for more than {limits.pending_age}",
        observed=f"{sum(p.last.pending for p in old)} old deliveries"
        if old
        else f"{pending} unacknowledged, {calm}",
        details=(*details, *(f"{told}; {_SEE}" for told in seen.missing)),
        limits=(limits.pending_age.named("pending_age"),),
    )


def emptied(stream: StreamState) -> Finding:
    """The emergency stream holds nothing: whatever was rerouted in a spike is on a stream that no service reads."""
    there = stream.kind == "stream"
    return first_of(
        fail("rerouted-unread", stream.length),
        unknown("stream-missing", not there),
        ok="nothing-rerouted",
    ).finding(
        expected="no rerouted message left unread",
        observed=f"{stream.length} entries on {stream.name}{'' if there else f', which is no stream (type {stream.kind})'}",
        details=("no shipped program reads it: replay these by hand, then XTRIM",) if stream.length else (),
    )

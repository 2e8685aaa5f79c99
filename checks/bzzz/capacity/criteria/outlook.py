"""Criteria of capacity ahead: projected use of nodes, memory of tasks, latency against a baseline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from checks.bzzz.capacity.criteria.projection import Projection, project
from opsverify.model.ladder import fail, fine, first_of, unknown
from opsverify.model.text import bounded_text
from opsverify.model.verdict import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.model.ladder import Judgement
    from opsverify.model.limits import Limit
    from opsverify.model.verdict import Finding
    from systems.bzzz.capacity.models import Latency, Percentiles, Resource, Trail, Trails
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.services.models import TaskUse

__all__ = [
    "cpu_lasts",
    "disk_lasts",
    "memory_lasts",
    "no_slower",
    "tasks_within_memory",
]

_MOST = 12
_PERCENT = 100
_BAND_POINTS = 9


class _Outlook(NamedTuple):
    """The trails of one resource: `fitted` have a projection; of those, `ahead` are below the limit now, the most urgent
    first, and `soon` reach it within the days that are judged. `short` have too few days for a projection, `gone` ended.
    """

    fitted: list[tuple[Trail, Projection]]
    ahead: list[tuple[Trail, Projection]]
    soon: list[tuple[Trail, Projection]]
    short: list[Trail]
    gone: list[Trail]


def _outlook(trails: Trails, resource: Resource, limit: Limit, limits: BzzzLimits) -> _Outlook:
    """Sort the trails of a resource. What is at its limit already is B-CAP-1's; a trail that ended days ago is of a node,
    or a disk, that is gone.
    """
    least = timedelta(days=limits.history_least.value)
    chosen = [t for t in trails.trails if t.resource == resource]
    gone = [t for t in chosen if t.ended(trails.at)]
    projected = [(t, project(t.points, limit.value, least)) for t in chosen if t not in gone]
    fitted = [(t, p) for t, p in projected if p is not None]
    ahead = sorted(
        ((t, p) for t, p in fitted if t.points[-1][1] < limit.value), key=lambda each: _urgency(each[1])
    )
    soon = [
        (t, p)
        for t, p in ahead
        if p.grows and p.reached is not None and not p.reached >= limits.projected.value
    ]
    return _Outlook(fitted, ahead, soon, [t for t, p in projected if p is None], gone)


def cpu_lasts(trails: Trails, limits: BzzzLimits) -> Finding:
    """No node's CPU use reaches its limit within the days that are planned ahead."""
    outlook = _outlook(trails, "cpu", limits.cpu_use, limits)
    judged = first_of(
        fail("cpu-full-soon", outlook.soon),
        unknown("too-few-days", not outlook.fitted),
        fine("limit-judged", not outlook.ahead),
        ok="cpu-lasts",
    )
    return _lasting(trails, outlook, "cpu", limits.cpu_use, judged, limits)


def memory_lasts(trails: Trails, limits: BzzzLimits) -> Finding:
    """No node's memory use reaches its limit within the days that are planned ahead."""
    outlook = _outlook(trails, "memory", limits.memory_use, limits)
    judged = first_of(
        fail("memory-full-soon", outlook.soon),
        unknown("too-few-days", not outlook.fitted),
        fine("limit-judged", not outlook.ahead),
        ok="memory-lasts",
    )
    return _lasting(trails, outlook, "memory", limits.memory_use, judged, limits)


def disk_lasts(trails: Trails, limits: BzzzLimits) -> Finding:
    """No node's disk use reaches its limit within the days that are planned ahead."""
    outlook = _outlook(trails, "disk", limits.disk_use, limits)
    judged = first_of(
        fail("disk-full-soon", outlook.soon),
        unknown("too-few-days", not outlook.fitted),
        fine("limit-judged", not outlook.ahead),
        ok="disk-lasts",
    )
    return _lasting(trails, outlook, "disk", limits.disk_use, judged, limits)


def _lasting(
    trails: Trails, outlook: _Outlook, resource: Resource, limit: Limit, judged: Judgement, limits: BzzzLimits
) -> Finding:
    most_urgent = outlook.ahead[0] if outlook.ahead else None
    shown = [f"{_who(t)}: {_projection(p)}" for t, p in outlook.ahead[:_MOST]]
    shown += [
        f"{_who(t)}: at its limit already, see B-CAP-1"
        for t, p in outlook.fitted
        if (t, p) not in outlook.ahead
    ]
    shown += [f"{_who(t)}: too few days of data for a projection" for t in outlook.short[:_MOST]]
    shown += [f"{_who(t)}: no samples since {t.points[-1][0]:%Y-%m-%d}" for t in outlook.gone[:_MOST]]
    longest = max((t.length for t in outlook.short), default=timedelta(0)) / timedelta(days=1)
    none = f"Prometheus has {longest:.1f} days of {resource} use; a projection needs at least {limits.history_least}"
    return judged.finding(
        expected=f"{resource} of each node below {100 * limit.value:g}% for the next {limits.projected}",
        observed=f"{_who(most_urgent[0])} {_projection(most_urgent[1])}"
        if most_urgent
        else f"every {resource} is at its limit already, see B-CAP-1"
        if outlook.fitted
        else none,
        details=(*shown, *(f"Prometheus warns: {w}" for w in trails.warnings)),
        limits=(
            limit.named(f"{resource}_use"),
            limits.projected.named("projected"),
            limits.history_least.named("history_least"),
        ),
        figure=_figure(*most_urgent, limit) if most_urgent else None,
    )


def _urgency(one: Projection) -> tuple[bool, float, float]:
    return not one.grows, one.reached if one.reached is not None else float("inf"), -one.level


def _who(trail: Trail) -> str:
    return f"{trail.node} {trail.what}".strip()


def _projection(one: Projection) -> str:
    now = f"{one.level:.1%} now"
    if not one.grows:
        return f"{now}, no significant growth ({one.slope:+.2%} a day ± {2 * one.slope_error:.2%})"
    rate = f"{now}, {one.slope:+.2%} a day"
    if one.reached is None:
        return f"{rate}: reaches its limit in more than ten years"
    return f"{rate}: reaches its limit on {_date(one, one.reached)} ({one.reached:.0f} days), between {_date(one, one.earliest)} and {_date(one, one.latest)}"


def _date(one: Projection, days: float | None) -> str:
    at = one.when(days)
    return "more than ten years ahead" if at is None else f"{at:%Y-%m-%d}"


def _figure(trail: Trail, one: Projection, limit: Limit) -> Figure:
    history = (one.end - one.begin) / timedelta(days=1)
    # Drawn up to the day of the limit, but no farther than the measured days stay visible.
    ahead = min(max((one.reached or 0) * 1.15, history / 2), history * 7) if one.grows else history / 2
    days = [-history + (history + ahead) * step / (_BAND_POINTS - 1) for step in range(_BAND_POINTS)]
    band = []
    for day in days:
        value, half = one.at(day)
        band.append(
            (
                one.end + timedelta(days=day),
                round(_PERCENT * (value - half), 3),
                round(_PERCENT * (value + half), 3),
            )
        )
    ends = (days[0], days[-1])
    return Figure(
        title=f"{trail.resource} of {_who(trail)}",
        points=tuple((at, round(_PERCENT * value, 3)) for at, value in trail.points),
        limit=_PERCENT * limit.value,
        line=tuple((one.end + timedelta(days=d), round(_PERCENT * one.at(d)[0], 3)) for d in ends),
        band=tuple(band),
        reached=one.when(one.reached) if one.grows else None,
        earliest=one.when(one.earliest) if one.grows else None,
        latest=one.when(one.latest) if one.grows else None,
    )


def tasks_within_memory(uses: Sequence[TaskUse], limits: BzzzLimits) -> Finding:
    """No task comes near the memory limit at which it would be killed."""
    limit = limits.task_memory
    bounded = [u for u in uses if u.memory_limit]
    near = [u for u in bounded if not u.memory < limit.value * u.memory_limit]
    ranked = sorted(uses, key=lambda u: -u.memory)
    return first_of(
        fail("memory-near-limit", near),
        unknown("no-tasks", not uses),
        fine("no-limits", not bounded),
        ok="memory-within-limit",
    ).finding(
        expected=f"each task below {100 * limit.value:g}% of its memory limit",
        observed=f"{len(near)} of {len(bounded)} tasks with a memory limit at or above {100 * limit.value:g}% of it"
        if near
        else f"{len(bounded)} of {len(uses)} tasks have a memory limit, none is near it",
        details=tuple(_use(u) for u in (near or ranked)[:_MOST]),
        limits=(limit.named("task_memory"),),
    )


def _use(use: TaskUse) -> str:
    of = f" of {use.memory_limit >> 20} MiB" if use.memory_limit else ", no limit"
    return f"{use.service} {use.task} on {use.node}: {use.memory >> 20} MiB{of}, CPU {use.cpu_percent:.0f} %"


def no_slower(before: Latency, now: Latency, limits: BzzzLimits) -> Finding:
    """No operation is slower than in the baseline by more than the limit, and by more than the floor."""
    then = {p.operation: p for p in before.operations}
    both = [(then[p.operation], p) for p in now.operations if p.operation in then]
    slower = [(old, new) for old, new in both if _slower(old, new, limits)]
    gone = [
        p.operation for p in before.operations if p.operation not in {n.operation for n in now.operations}
    ]
    same = before.window_s == now.window_s
    return first_of(
        fail("latency-grown", slower and same),
        unknown("windows-differ", not same),
        unknown("operations-differ", gone or not both),
        ok="latency-as-before",
    ).finding(
        expected=f"p50 and p95 at most {limits.latency_growth} of {before.at:%Y-%m-%d %H:%M UTC}",
        observed=_comparison(before, now, len(slower), len(both), gone),
        details=tuple(_compared(old, new) for old, new in slower or both),
        limits=(
            limits.latency_growth.named("latency_growth"),
            limits.latency_floor.named("latency_floor"),
            limits.latency_window.named("latency_window"),
        ),
    )


def _comparison(before: Latency, now: Latency, slower: int, both: int, gone: list[str]) -> str:
    if before.window_s != now.window_s:
        return f"windows differ: baseline over {before.window_s:g} s, now over {now.window_s:g} s; save a new baseline"
    if not both:
        then, since = (", ".join(sorted(p.operation for p in of.operations)) for of in (before, now))
        return bounded_text(f"no operation in common: baseline has {then or 'none'}, now {since or 'none'}")
    left = f"; in the baseline, not measured now: {', '.join(gone)}" if gone else ""
    compared = f"{slower} of {both} operations slower" if slower else f"none of {both} operations slower"
    return bounded_text(f"{compared}{left}")


def _slower(old: Percentiles, new: Percentiles, limits: BzzzLimits) -> bool:
    pairs = ((old.p50, new.p50), (old.p95, new.p95))
    return not all(
        now <= limits.latency_growth.value * then or now - then <= limits.latency_floor.value
        for then, now in pairs
    )


def _compared(old: Percentiles, new: Percentiles) -> str:
    return (
        f"{new.operation}: p50 {old.p50 * 1000:.1f} → {new.p50 * 1000:.1f} ms, p95 {old.p95 * 1000:.1f} →"
        f" {new.p95 * 1000:.1f} ms, of {old.count:.0f} and {new.count:.0f} operations"
    )

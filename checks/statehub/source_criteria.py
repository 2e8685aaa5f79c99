"""What must hold of Temporal's schedule, of the bridge, and of all the sources' clocks."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from checks.statehub.timing import events_astray, events_lost
from checks.statehub.words import at, by_reason, signed
from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.statehub.schedule.grid import at_or_after, at_or_before

if TYPE_CHECKING:
    from opsverify.model.observation import Observation
    from opsverify.model.verdict import Finding
    from systems.statehub.api.models import Newest
    from systems.statehub.kubernetes.models import Allowance
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.schedule.models import Frontend, Schedule
    from systems.statehub.sources.models import Clocks
    from systems.statehub.sweeps.models import Sweeps

__all__ = [
    "clocks_agree",
    "fires",
    "long_requests_pass",
    "namespace_registered",
    "promised_schedule",
    "same_state_hub",
]

_SCHEDULE = ("no-schedule", "paused", "ambiguous", "invalid", "ends", "off-grid", "overlap")
_SKIP = "skip"
_REGISTERED = "REGISTERED"


def namespace_registered(frontend: Frontend) -> Finding:
    """Temporal answers, and its namespace is in use."""
    return first_of(fail("namespace", frontend.state != _REGISTERED), ok="registered").finding(
        expected=f"namespace {frontend.namespace} registered",
        observed=f"{frontend.state.lower()}, server {frontend.version or 'without a version'}",
    )


def fires(seen: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """Temporal's newest action is younger than an interval, where it has a schedule of that age that is not paused."""
    schedule, allowed = seen.value, limits.interval.duration + limits.slack.duration
    oldest, latest, last = seen.at - allowed, seen.at + limits.skew.duration, schedule.last
    young = schedule.created is not None and schedule.created > oldest
    due = bool(schedule.count) and not schedule.paused and not young
    missed = f"{schedule.missed} actions were missed because Temporal was down for too long"
    return first_of(
        fail("stuck", due and (last is None or not last >= oldest)),
        unknown("clock-ahead", any(moment and moment > latest for moment in (last, schedule.created))),
        unknown("part-missing", len(schedule.found) != schedule.count),
        fine("none-due", not due),
        ok="fires",
    ).finding(
        expected=f"an action since {at(oldest)}" if due else "nothing: no action is due yet, or see S-SCH-2",
        observed=f"its last action is of {at(last)}" if last else "it has taken no action",
        details=(missed,) if schedule.missed else (),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "slack", "skew")),
    )


def promised_schedule(seen: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """One schedule, not paused, whose next fire times are the grid's, and that skips what would overlap.

    Its cron text is not compared: Temporal normalises it.
    """
    schedule, count = seen.value, max(1, int(limits.fire_times.value))
    troubles = _of_schedule(schedule, seen, limits)
    found = by_reason(troubles, _SCHEDULE)
    coming = ", ".join(f"{moment:%H:%M:%S}" for moment in schedule.next[:count])
    details = [words for _, words in troubles[1:]]
    if schedule.count:
        details += [
            f"next fire times {coming or 'none'} (UTC), jitter {schedule.jitter.total_seconds():g} s",
            f"catch-up window {schedule.catchup}, note {schedule.note or 'none'}",
        ]
    else:
        details += [f"there are: {', '.join(schedule.others)}" if schedule.others else "there is none at all"]
    return first_of(
        *(fail(reason, found[reason]) for reason in _SCHEDULE),
        unknown("part-missing", len(schedule.found) != schedule.count),
        ok="as-promised",
    ).finding(
        expected=f"one schedule, not paused, its next {count} fire times on the grid of {limits.interval}, overlap {_SKIP}",
        observed=troubles[0][1]
        if troubles
        else f"{_name(schedule)}: next {coming}, overlap {schedule.overlap}",
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("fire_times", "interval", "skew")),
    )


def _name(schedule: Schedule) -> str:
    return schedule.found[0] if schedule.found else f"the schedule of {schedule.definition}"


def _of_schedule(
    schedule: Schedule, seen: Observation[Schedule], limits: StateHubLimits
) -> list[tuple[str, str]]:
    """What is wrong with the schedule, worst first: reason and words."""
    if not schedule.count:
        return [("no-schedule", f"no schedule for definition {schedule.definition}")]
    troubles = []
    if schedule.paused:
        why = schedule.note or "nobody wrote down why"
        troubles.append(("paused", f"{_name(schedule)} is paused: {why}"))
    if schedule.count > 1:
        told = f"{schedule.count} schedules fire this definition: {', '.join(schedule.found)}"
        troubles.append(("ambiguous", told))
    if schedule.invalid:
        troubles.append(("invalid", f"Temporal cannot use it: {schedule.invalid}"))
    wrong = None if schedule.paused else _off_grid(schedule, seen, limits)
    if wrong is not None:
        troubles.append(wrong)
    if schedule.overlap != _SKIP:
        troubles.append(("overlap", f"overlap policy {schedule.overlap}; should be {_SKIP}"))
    return troubles


def _off_grid(
    schedule: Schedule, seen: Observation[Schedule], limits: StateHubLimits
) -> tuple[str, str] | None:
    """What is wrong with the next fire times, if anything: reason and words."""
    step, count = limits.interval.duration, max(1, int(limits.fire_times.value))
    coming = schedule.next[:count]
    if len(coming) < count:
        return "ends", f"only {len(coming)} more fire times: the schedule ends, or its actions are limited"
    crooked = [moment for moment in coming if at_or_before(moment, step) != moment]
    if crooked:
        return "off-grid", f"fires at {', '.join(map(at, crooked))}, which is not on the grid"
    # The server may have looked at its clock at any moment of our question, and its clock may be a little off.
    earliest = at_or_after(seen.at - seen.took - limits.skew.duration, step)
    latest = at_or_before(seen.at + limits.skew.duration, step) + step
    if not earliest <= coming[0] <= latest:
        return "off-grid", f"fires next at {at(coming[0])}; should be {at(earliest)}"
    holes = [b for a, b in pairwise(coming) if b - a != step]
    return ("off-grid", f"leaves out instants before {', '.join(map(at, holes))}") if holes else None


def same_state_hub(
    bridged: Observation[Newest], direct: Observation[Sweeps], limits: StateHubLimits
) -> Finding:
    """The bridge leads to the State Hub that answers directly: its newest events are known there, but those that were
    recorded during the looks.
    """
    skew, events = limits.skew.duration, bridged.value.events
    known = {e.id for e in direct.value.events}
    began = min(o.at - o.took for o in (direct, bridged)) - skew
    ended = max(o.at for o in (direct, bridged)) + skew
    more = [(name, moment) for name, moment in events if name not in known]
    # Older ones than the direct look has asked for may be there all the same.
    strange = [(name, moment) for name, moment in more if direct.value.covers < moment < began]
    future = [(name, moment) for name, moment in more if moment > ended]
    lost, astray = events_lost(direct.value), events_astray(direct.value, limits)
    if len(events) != bridged.value.count:
        lost = f"the bridge showed {bridged.value.count} events, {len(events)} are here"
    observed = f"{len(events) - len(more)} of {len(events)} newest events are known directly"
    if strange:
        observed = f"{len(strange)} of {len(events)} newest events are not known directly"
    return first_of(
        fail("another-state-hub", strange),
        unknown("clock-ahead", future),
        unknown("out-of-window", astray),
        unknown("nothing-to-compare", len(more) == len(events)),
        unknown("part-missing", lost),
        ok="same",
    ).finding(
        expected="through the bridge the events of this State Hub",
        observed="; ".join(filter(None, (observed, astray, lost))),
        details=tuple(f"{name} of {at(moment)}" for name, moment in (*strange, *future)),
        limits=(limits.skew.named("skew"),),
    )


def long_requests_pass(seen: Allowance, limits: StateHubLimits) -> Finding:
    """A request as long as a sweep may be passes the bridge."""
    needed, configured, longest = limits.sweep.value, seen.configured_s, seen.longest_s
    known = configured if configured is not None else longest
    return first_of(
        fail("too-short", configured is not None and not configured >= needed),
        unknown("not-shown", known is None or not known >= needed),
        ok="long-enough",
    ).finding(
        expected=f"requests of {limits.sweep} pass the bridge",
        observed=seen.known_from if known is None else f"{known:g} s: {seen.known_from}",
        details=seen.missing,
        limits=(limits.sweep.named("sweep"),),
    )


def clocks_agree(clocks: Clocks, limits: StateHubLimits) -> Finding:
    """No two clocks, ours among them, are further apart than allowed."""
    ours = [("ours", timedelta(0)), *clocks.ahead]
    fastest, slowest = max(ours, key=lambda c: c[1]), min(ours, key=lambda c: c[1])
    apart = fastest[1] - slowest[1]
    off = not apart <= limits.skew.duration
    shown = ", ".join(f"{name} {signed(ahead)}" for name, ahead in clocks.ahead) or "no clock"
    untold = sorted(set(clocks.asked) - {name for name, _ in clocks.ahead})
    silent = clocks.missing or tuple(f"{name}: no clock" for name in untold)
    return first_of(
        fail("clock-skew", off),
        unknown("part-missing", untold or clocks.missing),
        unknown("no-clock", not clocks.ahead),
        ok="agree",
    ).finding(
        expected=f"all clocks within {limits.skew} of each other",
        observed=f"{fastest[0]} is {apart.total_seconds():.3f} s ahead of {slowest[0]}"
        if off
        else "; ".join((shown, *silent)),
        details=(f"against ours: {shown}", *silent, *clocks.clockless),
        limits=(limits.skew.named("skew"),),
    )

"""Criteria of Temporal: the namespace, the schedule, and that it fires."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, by_reason
from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.statehub.schedule.grid import at_or_after, at_or_before

if TYPE_CHECKING:
    from opsverify.model.observation import Observation
    from opsverify.model.verdict import Finding
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.schedule.models import Frontend, Schedule

__all__ = ["fires", "namespace_registered", "promised_schedule"]

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

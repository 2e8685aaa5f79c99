"""Criteria of Temporal: its namespace, the schedule, and the schedule's latest action."""

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
    """Temporal answers, and the namespace is registered."""
    return first_of(fail("namespace", frontend.state != _REGISTERED), ok="registered").finding(
        expected=f"namespace {frontend.namespace} registered",
        observed=f"namespace {frontend.state.lower()}, Temporal server {frontend.version or 'of unknown version'}",
    )


def fires(observation: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """The schedule's newest action is younger than an interval, unless it is paused or younger itself."""
    schedule, allowed = observation.value, limits.interval.duration + limits.slack.duration
    oldest, latest, last = observation.at - allowed, observation.at + limits.skew.duration, schedule.last
    young = schedule.created is not None and schedule.created > oldest
    due = bool(schedule.count) and not schedule.paused and not young
    missed = f"missed catch-up window: {schedule.missed} actions, skipped because Temporal was down for longer than it"
    early = any(moment and moment > latest for moment in (last, schedule.created))
    ahead = "its last action or its creation is in the future: Temporal's clock or ours is wrong"
    return first_of(
        fail("stuck", due and (last is None or not last >= oldest)),
        unknown("clock-ahead", early),
        unknown("part-missing", len(schedule.found) != schedule.count),
        fine("none-due", not due),
        ok="fires",
    ).finding(
        expected=f"an action since {at(oldest)}"
        if due
        else "no action due: the schedule is missing, paused or too young (S-SCH-2)",
        observed=f"last action at {at(last)}" if last else "no action recorded",
        details=(*([missed] if schedule.missed else []), *([ahead] if early else [])),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "slack", "skew")),
    )


def promised_schedule(observation: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """One schedule, not paused, whose next fire times are on the grid, with overlap policy skip.

    The cron text is not compared: Temporal normalises it.
    """
    schedule, count = observation.value, max(1, int(limits.fire_times.value))
    troubles = _of_schedule(schedule, observation, limits)
    problems = by_reason(troubles, _SCHEDULE)
    coming = ", ".join(f"{moment:%H:%M:%S}" for moment in schedule.next[:count])
    details = [text for _, text in troubles[1:]]
    if schedule.count:
        details += [
            f"next fire times {coming or 'none'} (UTC), jitter {schedule.jitter.total_seconds():g} s",
            f"catch-up window {schedule.catchup}, note {schedule.note or 'none'}",
        ]
    else:
        details += [
            f"other schedules: {', '.join(schedule.others)}"
            if schedule.others
            else "Temporal has no schedule"
        ]
    return first_of(
        *(fail(reason, problems[reason]) for reason in _SCHEDULE),
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
    return f"schedule {schedule.found[0]}" if schedule.found else f"the schedule of {schedule.definition}"


def _of_schedule(
    schedule: Schedule, observation: Observation[Schedule], limits: StateHubLimits
) -> list[tuple[str, str]]:
    """Problems of the schedule, the worst first: reason and text."""
    if not schedule.count:
        return [("no-schedule", f"no schedule for definition {schedule.definition}")]
    troubles = []
    if schedule.paused:
        why = schedule.note or "no note says why"
        troubles.append(("paused", f"{_name(schedule)} is paused: {why}"))
    if schedule.count > 1:
        text = f"{schedule.count} schedules fire this definition: {', '.join(schedule.found)}"
        troubles.append(("ambiguous", text))
    if schedule.invalid:
        troubles.append(("invalid", f"Temporal reports an invalid schedule: {schedule.invalid}"))
    wrong = None if schedule.paused else _off_grid(schedule, observation, limits)
    if wrong is not None:
        troubles.append(wrong)
    if schedule.overlap != _SKIP:
        troubles.append(("overlap", f"overlap policy {schedule.overlap}, expected {_SKIP}"))
    return troubles


def _off_grid(
    schedule: Schedule, observation: Observation[Schedule], limits: StateHubLimits
) -> tuple[str, str] | None:
    """The problem of the next fire times, if any: reason and text."""
    step, count = limits.interval.duration, max(1, int(limits.fire_times.value))
    coming = schedule.next[:count]
    if len(coming) < count:
        return "ends", f"only {len(coming)} more fire times: the schedule has an end, or limited actions"
    crooked = [moment for moment in coming if at_or_before(moment, step) != moment]
    if crooked:
        return "off-grid", f"fire times off the grid: {', '.join(map(at, crooked))}"
    # The server read its clock at some moment of our request, and its clock may be off by the skew.
    earliest = at_or_after(observation.at - observation.took - limits.skew.duration, step)
    latest = at_or_before(observation.at + limits.skew.duration, step) + step
    if not earliest <= coming[0] <= latest:
        return "off-grid", f"next fire time {at(coming[0])}, expected {at(earliest)}"
    holes = [b for a, b in pairwise(coming) if b - a != step]
    return ("off-grid", f"skips the instants before {', '.join(map(at, holes))}") if holes else None

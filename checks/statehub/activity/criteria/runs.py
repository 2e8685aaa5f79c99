"""Criteria of ActivityRuns: one for each instant of the schedule, on time, with the result of its progress event."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, by_reason
from checks.statehub.timing import (
    apart,
    events_astray,
    events_lost,
    future,
    ripe,
    ripe_until,
    runs_astray,
    runs_lost,
    watching,
)
from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.statehub.schedule.grid import at_or_after, at_or_before, consecutive, due, missing

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.statehub.activity.models import ActivityRun, Runs
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sweeps.models import SweepEvent, SweepResult, Sweeps

__all__ = ["differences", "no_older_gaps", "one_run_per_instant", "resumed"]

_ORDER = (
    "off-grid", "doubled", "missed", "never-fired", "fired-late", "automation-error", "no-result", "no-event",
    "event-doubled", "differs",
)  # fmt: skip
_IN_WORDS = {
    "off-grid": "runs off the grid",
    "doubled": "instants with several runs",
    "never-fired": "runs never fired",
    "fired-late": "runs not fired on time",
    "automation-error": "runs with an automation error",
    "no-result": "runs without a result",
    "no-event": "runs without a progress event",
    "event-doubled": "runs with several progress events",
    "differs": "runs that differ from their progress event",
}
_TIMELESS = ("off-grid", "doubled")  # true whatever the clocks say
_COMPARED = (
    "source", "lock_skipped", "exit_code", "automation_error", "assessment_failures", "gaps", "processed",
    "skipped_clean", "skipped_missing", "skipped_budget",
)  # fmt: skip
_MOST = 20


def _in_flight(instant: datetime, sweeps: Sweeps, limits: StateHubLimits) -> bool:
    """Whether a sweep that ended soon after `instant` can have been running then.

    Without a duration a manual sweep can have been; a scheduled one is the sweep of that very instant.
    """
    latest = instant + limits.sweep.duration + limits.slack.duration
    for event in sweeps.events:
        took = event.result.took_s
        if took is None:
            before = event.result.source in sweeps.manual
        else:
            before = math.isfinite(took) and event.at - timedelta(seconds=took) <= instant
        if instant < event.at <= latest and before and not event.result.lock_skipped:
            return True
    return False


def _gaps(
    gone: list[datetime], sweeps: Sweeps, limits: StateHubLimits
) -> tuple[list[datetime], list[datetime]]:
    """Gaps that count, and those that misfire policy skip allows: single ones while another sweep was running."""
    counted: list[datetime] = []
    allowed: list[datetime] = []
    for group in consecutive(gone, limits.interval.duration):
        single = len(group) == 1 and _in_flight(group[0], sweeps, limits)
        (allowed if single else counted).extend(group)
    return counted, allowed


def differences(run: SweepResult, event: SweepResult) -> list[str]:
    """Names of the fields in which two results of one sweep differ; a field that one of them lacks is no difference."""
    pairs = [(name, getattr(run, name), getattr(event, name)) for name in _COMPARED]
    return [name for name, a, b in pairs if a != b and a not in (None, "") and b not in (None, "")]


def _of_firing(run: ActivityRun, instant: datetime, limits: StateHubLimits) -> tuple[str, str] | None:
    """The problem of a run's fired_at, if any: reason and text."""
    if run.fired_at is None:
        return "never-fired", "fired_at is empty"
    late = run.fired_at - instant
    if -limits.skew.duration <= late <= limits.fired.duration:
        return None
    return "fired-late", f"fired_at is {late.total_seconds():.0f} s after scheduled_for"


def _of_result(result: SweepResult | None, events: list[SweepEvent]) -> tuple[str, str] | None:
    """The problem of a run's result and its progress events, if any: reason and text."""
    if result is None:
        return "no-result", "its context snapshot has no sweep result"
    if len(events) > 1:
        return "event-doubled", f"{len(events)} progress events: {', '.join(e.id for e in events[:4])}"
    if events:
        different = differences(result, events[0].result)
        text = f"differs from event {events[0].id} in {', '.join(different)}"
        return ("differs", text) if different else None
    if result.automation_error:
        return (
            "automation-error",
            f"automation_error ({result.error or 'no error text'}), and State Hub has no progress event of it",
        )
    return None if result.lock_skipped else ("no-event", "State Hub has no progress event of it")


def _at_instant(
    instant: datetime,
    there: list[ActivityRun],
    events: list[SweepEvent],
    sweeps: Sweeps,
    limits: StateHubLimits,
) -> tuple[str, str] | None:
    """The problem of the runs of one instant, if any: reason and text."""
    if at_or_before(instant, limits.interval.duration) != instant:
        return "off-grid", f"run {there[0].run_id} was scheduled for an instant that is not on the grid"
    if len(there) > 1:
        return "doubled", f"{len(there)} runs: {', '.join(r.run_id for r in there[:4])}"
    trouble = _of_firing(there[0], instant, limits)
    if trouble is None and instant >= sweeps.covers:
        trouble = _of_result(there[0].result, events)
    return (trouble[0], f"run {there[0].run_id}: {trouble[1]}") if trouble else None


def one_run_per_instant(runs: Runs, sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """Each instant that was due has one run, fired on time, with the same result as its progress event."""
    step, until = limits.interval.duration, ripe_until(runs, limits)
    by_instant: dict[datetime, list[ActivityRun]] = defaultdict(list)
    for run in runs.scheduled:
        if run.scheduled_for is not None and runs.since <= run.scheduled_for <= until:
            by_instant[run.scheduled_for].append(run)
    events: dict[datetime, list[SweepEvent]] = defaultdict(list)
    for event in sweeps.scheduled:
        events[at_or_before(event.at + limits.skew.duration, step)].append(event)
    instants = ripe(runs, limits)
    gone, allowed = _gaps([i for i in instants if i not in by_instant], sweeps, limits)
    troubles = [("missed", f"{at(instant)}: no run") for instant in gone]
    for instant, there in sorted(by_instant.items()):
        # Other sweeps in the same interval are judged by S-SRC-1.
        own = [e for e in events[instant] if e.result.source == sweeps.source] or events[instant]
        trouble = _at_instant(instant, there, own, sweeps, limits)
        if trouble is not None:
            troubles.append((trouble[0], f"{at(instant)}: {trouble[1]}"))
    clocks = "; ".join(filter(None, (apart(runs, limits), future(sweeps, limits))))
    problems = by_reason([t for t in troubles if not clocks or t[0] in _TIMELESS], _ORDER)
    astray = runs_astray(runs, limits) or events_astray(sweeps, limits)
    lost = runs_lost(runs) or events_lost(sweeps)
    early = watching(runs, limits)
    alone = [i for i in instants if i < sweeps.covers]
    cut = f"progress events reach back only to {at(sweeps.covers)}: {len(alone)} older runs could not be compared"
    observed = "; ".join(
        f"{_IN_WORDS[reason]}: {len(texts)}" if reason in _IN_WORDS else f"{len(texts)} {reason}"
        for reason, texts in problems.items()
        if texts
    )
    for why in (clocks, astray, lost, early, cut if alone else ""):
        observed = observed or why
    return first_of(
        *(fail(reason, problems[reason]) for reason in _ORDER),
        unknown("clock-skew", clocks),
        unknown("out-of-window", astray),
        unknown("too-early", early),
        unknown("part-missing", alone or lost),
        ok="one-each",
    ).finding(
        expected=f"one run for each of {len(instants)} instants from {at(runs.since)} ({runs.since_why}) to {at(until)}",
        observed=observed or f"{sum(map(len, by_instant.values()))} runs, one for each instant",
        details=(
            *_shortened([line for texts in problems.values() for line in texts]),
            *(f"{at(i)}: no run, allowed by misfire policy skip: another sweep was running" for i in allowed),
            f"database clock {runs.ahead.total_seconds():+.3f} s against ours; {len(runs.runs) - len(runs.scheduled)} manual runs not judged",
            *([cut] if alone else []),
        ),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "fired", "skew")),
    )


def _shortened(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    return [*lines[:_MOST], *([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])]


def no_older_gaps(runs: Runs, limits: StateHubLimits) -> Finding:
    """The part of the last 24 h before the period that S-ACT-1 judges has no gap either."""
    step = limits.interval.duration
    there = {r.scheduled_for for r in runs.scheduled if r.scheduled_for}
    last = min(at_or_after(runs.since, step) - step, ripe_until(runs, limits))
    astray, lost = runs_astray(runs, limits), runs_lost(runs)
    gone = [] if astray else missing(runs.day, last, step, there)
    judged = 0 if astray else len(due(runs.day, last, step))
    clock, early = apart(runs, limits), watching(runs, limits)
    observed = f"{len(gone)} of {judged} instants have no run"
    if not judged:
        observed = "nothing older: S-ACT-1 judges all 24 h"
    return first_of(
        fail("older-gaps", gone and not clock),
        unknown("clock-skew", clock),
        unknown("out-of-window", astray),
        unknown("too-early", early),
        unknown("part-missing", lost),
        fine("whole-day", not judged),
        ok="none",
    ).finding(
        expected=f"no gap from {at(runs.day)} to {at(runs.since)} ({runs.since_why})",
        observed=clock or (observed if gone else astray or early or lost or observed),
        details=tuple(f"{at(instant)}: no run" for instant in gone[:_MOST]),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "skew")),
    )


def resumed(runs: Runs, limits: StateHubLimits) -> Finding:
    """Each of the newest instants that were due has a run that fired."""
    wanted = max(1, int(limits.resumed.value))
    fired = {r.scheduled_for for r in runs.scheduled if r.scheduled_for and r.fired_at}
    instants = ripe(runs, limits)[-wanted:]
    gone = [instant for instant in instants if instant not in fired]
    last = max(fired, default=None)
    clock, early = apart(runs, limits), watching(runs, limits, wanted)
    astray, lost = runs_astray(runs, limits), runs_lost(runs)
    observed = f"{len(instants)} of {len(instants)} instants have a run that fired"
    if gone:
        observed = f"{len(gone)} of {len(instants)} instants have no run that fired; newest run {at(last) if last else 'none in 24 h'}"
    named = ", ".join(f"{i:%H:%M:%S}Z" for i in instants)
    return first_of(
        fail("not-resumed", gone and not clock),
        unknown("clock-skew", clock),
        unknown("out-of-window", astray),
        unknown("too-early", early),
        unknown("part-missing", lost),
        ok="resumed",
    ).finding(
        expected=f"a run that fired at each of the newest {wanted} instants that were due since {runs.since_why}: {named or 'none yet'}",
        observed=clock or (observed if gone else astray or early or lost or observed),
        details=tuple(f"{at(instant)}: no run" for instant in gone),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "resumed", "sweep", "slack", "skew")),
    )

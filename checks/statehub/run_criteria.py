"""What must hold of ActivityRuns: one for each instant of the grid, on time, and saying what the progress event says."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from checks.statehub.words import at
from fixtures.statehub.grid import at_or_after, at_or_before, consecutive, due, missing
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.statehub.seen import ActivityRun, Runs, SweepEvent, SweepResult, Sweeps
    from fixtures.statehub.target import StateHubLimits

__all__ = ["differences", "no_older_gaps", "one_run_per_instant", "resumed"]

_ORDER = (
    "off-grid", "doubled", "missed", "never-fired", "fired-late", "automation-error", "no-result", "no-event",
    "event-doubled", "differs",
)  # fmt: skip
_COMPARED = (
    "source", "lock_skipped", "exit_code", "automation_error", "assessment_failures", "gaps", "processed",
    "skipped_clean", "skipped_missing", "skipped_budget",
)  # fmt: skip
_MOST = 20


def _in_flight(instant: datetime, sweeps: Sweeps, limits: StateHubLimits) -> bool:
    """Whether a sweep that ended soon after `instant` can have been at work then.

    Where it does not tell how long it took, one by hand can; a scheduled one is that instant's own.
    """
    latest = instant + limits.sweep.duration + limits.slack.duration
    for event in sweeps.events:
        took = event.result.took_s
        if took is None:
            before = event.result.source in sweeps.manual
        else:
            before = event.at - timedelta(seconds=took) <= instant
        if instant < event.at <= latest and before and not event.result.lock_skipped:
            return True
    return False


def _gaps(
    gone: list[datetime], sweeps: Sweeps, limits: StateHubLimits
) -> tuple[list[datetime], list[datetime]]:
    """Gaps that count, and those that the misfire policy allows: single ones with a sweep in flight."""
    counted: list[datetime] = []
    allowed: list[datetime] = []
    for group in consecutive(gone, limits.interval.duration):
        single = len(group) == 1 and _in_flight(group[0], sweeps, limits)
        (allowed if single else counted).extend(group)
    return counted, allowed


def differences(run: SweepResult, event: SweepResult) -> list[str]:
    """In which fields two accounts of one sweep differ; what one of them does not say is no difference."""
    pairs = [(name, getattr(run, name), getattr(event, name)) for name in _COMPARED]
    return [name for name, a, b in pairs if a != b and a not in (None, "") and b not in (None, "")]


def _of_firing(run: ActivityRun, instant: datetime, limits: StateHubLimits) -> tuple[str, str] | None:
    """What is wrong with when a run fired, if anything: reason and words."""
    if run.fired_at is None:
        return "never-fired", "fired_at is empty"
    late = run.fired_at - instant
    if -limits.skew.duration <= late <= limits.fired.duration:
        return None
    return "fired-late", f"fired {late.total_seconds():+.0f} s from its instant"


def _of_result(result: SweepResult | None, events: list[SweepEvent]) -> tuple[str, str] | None:
    """What is wrong with what a run and its progress events say, if anything: reason and words."""
    if result is None:
        return "no-result", "its snapshot holds no sweep result"
    if len(events) > 1:
        return "event-doubled", f"{len(events)} progress events: {', '.join(e.id for e in events[:4])}"
    if events:
        different = differences(result, events[0].result)
        told = f"differs from event {events[0].id} in {', '.join(different)}"
        return ("differs", told) if different else None
    if result.automation_error:
        return "automation-error", f"{result.error or 'the fault is not named'}; State Hub has no event of it"
    return None if result.lock_skipped else ("no-event", "State Hub has no event of it")


def _at_instant(
    instant: datetime,
    there: list[ActivityRun],
    events: list[SweepEvent],
    sweeps: Sweeps,
    limits: StateHubLimits,
) -> tuple[str, str] | None:
    """What is wrong with the runs of one instant, if anything: reason and words."""
    if at_or_before(instant, limits.interval.duration) != instant:
        return "off-grid", f"run {there[0].run_id} is not on the grid"
    if len(there) > 1:
        return "doubled", f"{len(there)} runs: {', '.join(r.run_id for r in there[:4])}"
    trouble = _of_firing(there[0], instant, limits)
    if trouble is None and instant >= sweeps.covers:
        trouble = _of_result(there[0].result, events)
    return (trouble[0], f"run {there[0].run_id}: {trouble[1]}") if trouble else None


def one_run_per_instant(runs: Runs, sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """Each instant that was due has one run, fired on time, with the result that its progress event has."""
    step = limits.interval.duration
    troubles: dict[str, list[str]] = defaultdict(list)
    by_instant: dict[datetime, list[ActivityRun]] = defaultdict(list)
    for run in runs.scheduled:
        if run.scheduled_for is not None and runs.since <= run.scheduled_for <= runs.until:
            by_instant[run.scheduled_for].append(run)
    events: dict[datetime, list[SweepEvent]] = defaultdict(list)
    for event in sweeps.scheduled:
        events[at_or_before(event.at + limits.skew.duration, step)].append(event)
    instants = due(runs.since, runs.until, step)
    gone, allowed = _gaps(missing(runs.since, runs.until, step, by_instant), sweeps, limits)
    troubles["missed"] += [f"{at(instant)}: no run" for instant in gone]
    for instant, there in sorted(by_instant.items()):
        # Who else swept in the same interval is S-SRC-1's.
        own = [e for e in events[instant] if e.result.source == sweeps.source] or events[instant]
        trouble = _at_instant(instant, there, own, sweeps, limits)
        if trouble is not None:
            troubles[trouble[0]].append(f"{instant.isoformat()}: {trouble[1]}")
    reasons = [reason for reason in _ORDER if troubles[reason]]
    told = [line for reason in reasons for line in troubles[reason]]
    details = [*told[:_MOST], *([f"and {len(told) - _MOST} more"] if len(told) > _MOST else [])]
    details += [
        f"{at(instant)}: no run, allowed: a sweep was in flight (misfire policy skip)" for instant in allowed
    ]
    by_hand = len(runs.runs) - len(runs.scheduled)
    details.append(
        f"clock of the database {runs.ahead.total_seconds():+.3f} s from ours; {by_hand} runs by hand left out"
    )
    if sweeps.covers > runs.since:
        details.append(
            f"events reach back to {at(sweeps.covers)} only: older runs are not compared with theirs"
        )
    return Finding(
        holds=not reasons,
        reason=reasons[0] if reasons else "one-each",
        expected=f"one run for each of {len(instants)} instants from {at(runs.since)} ({runs.since_why}) to {at(runs.until)}",
        observed=", ".join(f"{len(troubles[r])} {r}" for r in reasons)
        or f"{sum(map(len, by_instant.values()))} runs, one each",
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "fired", "skew")),
    )


def no_older_gaps(runs: Runs, limits: StateHubLimits) -> Finding:
    """The day before the stretch that S-ACT-1 judges has no gap either."""
    step = limits.interval.duration
    there = {r.scheduled_for for r in runs.scheduled if r.scheduled_for}
    last = at_or_after(runs.since, step) - step
    gone = missing(runs.day, last, step, there)
    looked = len(due(runs.day, last, step))
    return Finding(
        holds=not gone,
        reason="older-gaps" if gone else "none",
        expected=f"no gap from {at(runs.day)} to {at(runs.since)} ({runs.since_why})",
        observed=f"{len(gone)} of {looked} instants have no run"
        if looked
        else "nothing older: the stretch is the whole day",
        details=tuple(f"{at(instant)}: no run" for instant in gone[:_MOST]),
        limits=(limits.interval.named("interval"),),
    )


def resumed(runs: Runs, limits: StateHubLimits) -> Finding:
    """Each of the newest instants that were due has a run that fired."""
    step = limits.interval.duration
    fired = {r.scheduled_for for r in runs.scheduled if r.scheduled_for and r.fired_at}
    instants, gone = due(runs.since, runs.until, step), missing(runs.since, runs.until, step, fired)
    last = max(fired, default=None)
    return Finding(
        holds=not gone,
        reason="not-resumed" if gone else "resumed",
        expected=f"a run at each of {', '.join(f'{i:%H:%M:%S}Z' for i in instants)} ({runs.since_why})",
        observed=f"{len(gone)} of {len(instants)} have none; the newest run is {at(last) if last else 'none of today'}"
        if gone
        else f"{len(instants)} of {len(instants)} have one",
        details=tuple(f"{at(instant)}: no run" for instant in gone),
        limits=(limits.interval.named("interval"), limits.resumed.named("resumed")),
    )

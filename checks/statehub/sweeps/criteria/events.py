"""Criteria of progress events: freshness, evidence of a healthy sweep, automation errors."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, by_reason
from checks.statehub.timing import events_astray, events_lost, future
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sweeps.models import Repos, SweepEvent, Sweeps

__all__ = ["fresh", "healthy_evidence", "no_automation_error"]

_EVIDENCE = ("wrong-source", "exit-code", "accounting-missing", "processed-clean", "lock-skipped")


def _missed(sweeps: Sweeps, now: datetime, limits: StateHubLimits) -> tuple[SweepEvent | None, int]:
    """The newest scheduled event, and how many sweeps should have followed it by now."""
    newest = next((e for e in sweeps.scheduled if e.result.source == sweeps.source), None)
    allowed = limits.sweep.duration + limits.slack.duration
    since = newest.at if newest else sweeps.covers
    return newest, max(0, math.ceil((now - since - allowed) / limits.interval.duration) - 1)


def fresh(sweeps: Sweeps, now: datetime, limits: StateHubLimits, *, worse: bool) -> Finding:
    """The newest scheduled event is recent. `worse` judges the P0 row (several sweeps missed), otherwise fewer."""
    newest, missed = _missed(sweeps, now, limits)
    row = int(limits.in_a_row.value)
    cut = newest is None and missed < row  # the events do not reach back far enough
    oldest = limits.interval.duration + limits.sweep.duration + limits.slack.duration
    observed = (
        f"newest scheduled event {newest.id} at {at(newest.at)}, {(now - newest.at).total_seconds():.0f} s ago; sweeps missed: {missed}"
        if newest
        else f"no event with source {sweeps.source} since {at(sweeps.covers)}"
    )
    clock, astray, lost = future(sweeps, limits), events_astray(sweeps, limits), events_lost(sweeps)
    if newest and not clock and newest.at - now > limits.skew.duration:
        clock = f"the newest event is dated {at(newest.at)}, our clock says {at(now)}"
    expected = (
        f"fewer than {row} sweeps missed in a row"
        if worse
        else f"newest scheduled event younger than {oldest.total_seconds():g} s (interval + sweep + slack); S-PRG-1 judges {row} or more missed"
    )
    return first_of(
        fail("no-scheduled-event", worse and newest is None and not cut),
        fail("missed", missed >= row if worse else newest and 0 < missed < row),
        unknown("clock-ahead", clock),
        unknown("out-of-window", astray),
        unknown("part-missing", cut or lost),
        fine("critical-judged", not worse and missed >= row),
        ok="fresh",
    ).finding(
        expected=expected,
        observed="; ".join(filter(None, (observed, clock, astray, lost))),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "in_a_row", "skew")),
    )


def _named(repos: Repos | None) -> set[str]:
    return set(repos.names or ()) if repos else set()


def _half_named(event: SweepEvent) -> bool:
    """Whether it names some, but not all, of the repositories that it counts as processed or clean."""
    parts = (event.result.processed, event.result.skipped_clean)
    return any(part and part.names is not None and not part.all_named for part in parts)


def _evidence_troubles(event: SweepEvent, sweeps: Sweeps) -> list[tuple[str, str]]:
    result, troubles = event.result, []
    if result.source != sweeps.source:
        troubles.append(
            ("wrong-source", f"source {result.source!r} is neither {sweeps.source} nor a manual one")
        )
    if result.lock_skipped or result.automation_error:
        return troubles  # a sweep that was skipped has no evidence; S-PRG-3 judges automation errors
    if result.exit_code != 0:
        troubles.append(("exit-code", f"exit_code {result.exit_code} without automation_error"))
    if all(part is None for part in (result.processed, result.skipped_clean)):
        troubles.append(("accounting-missing", "neither repos_processed nor skipped_clean"))
    both = set.intersection(*(_named(part) for part in (result.processed, result.skipped_clean)))
    if both:
        troubles.append(
            ("processed-clean", f"in repos_processed and in skipped_clean: {', '.join(sorted(both)[:5])}")
        )
    return troubles


def healthy_evidence(sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """The newest scheduled events carry healthy evidence, and the lock did not skip two in a row."""
    recent = sweeps.scheduled[: int(limits.recent.value)]
    troubles = [
        (reason, f"{e.id} of {at(e.at)}: {t}") for e in recent for reason, t in _evidence_troubles(e, sweeps)
    ]
    for newer, older in pairwise(recent):
        if newer.result.lock_skipped and older.result.lock_skipped:
            text = f"{older.id} of {at(older.at)} and {newer.id}: lock_skipped twice in a row; which sweep holds the lock?"
            troubles.append(("lock-skipped", text))
    problems = by_reason(troubles, _EVIDENCE)
    _, missed = _missed(sweeps, sweeps.looked, limits)
    single = sum(e.result.lock_skipped for e in recent)
    clock, astray, lost = future(sweeps, limits), events_astray(sweeps, limits), events_lost(sweeps)
    nameless = [e.id for e in recent if _half_named(e)]
    observed = f"the newest {len(recent)} scheduled events are healthy, {single} of them lock_skipped"
    if troubles:
        observed = f"problems in the newest {len(recent)} scheduled events: {len(troubles)}"
    elif not recent:
        observed = f"only manual events since {at(sweeps.covers)}"
    return first_of(
        *(fail(reason, problems[reason]) for reason in _EVIDENCE),
        fail("no-scheduled-event", not recent and missed),
        unknown("clock-ahead", clock),
        unknown("out-of-window", astray),
        unknown("part-missing", not recent or lost),
        unknown("names-missing", nameless),
        ok="healthy",
    ).finding(
        expected="source, exit_code and accounting as in the runbook; never lock_skipped twice in a row",
        observed="; ".join(filter(None, (observed, clock, astray, lost))),
        details=(
            *(text for _, text in troubles[:10]),
            *(f"{name} does not name all repositories that it counts" for name in nameless),
            *([f"{sweeps.repeated} events appeared twice in the reply"] if sweeps.repeated else []),
        ),
        limits=(limits.recent.named("recent"), limits.skew.named("skew")),
    )


def no_automation_error(sweeps: Sweeps, limits: StateHubLimits, *, worse: bool) -> Finding:
    """The newest scheduled sweeps have no automation_error. `worse` judges the P0 row (several in a row), otherwise fewer."""
    worked, row = sweeps.own, int(limits.in_a_row.value)
    streak = next((n for n, e in enumerate(worked) if not e.result.automation_error), len(worked))
    failed = [e for e in worked if e.result.automation_error]
    shown = tuple(
        f"{e.id} of {at(e.at)}: {e.result.error or 'no error text: see its log'}" for e in failed[:5]
    )
    over = f"; {len(failed)} earlier ones in the window had one" if failed and not streak else ""
    clock, astray, lost = future(sweeps, limits), events_astray(sweeps, limits), events_lost(sweeps)
    observed = f"no automation_error in the newest of {len(worked)} scheduled sweeps{over}"
    if streak:
        observed = f"automation_error in the newest {streak} of {len(worked)} scheduled sweeps"
    elif not worked:
        observed = f"no scheduled sweep got the lock since {at(sweeps.covers)}"
    return first_of(
        fail("automation-error", streak >= row if worse else 0 < streak < row),
        unknown("clock-ahead", clock),
        unknown("out-of-window", astray),
        unknown("part-missing", lost),
        unknown("no-sweep", not worked),
        fine("critical-judged", not worse and streak >= row),
        ok="no-automation-error",
    ).finding(
        expected=f"fewer than {row} automation errors in a row"
        if worse
        else "no automation_error in the newest sweep",
        observed="; ".join(filter(None, (observed, clock, astray, lost))),
        details=shown,
        limits=(limits.in_a_row.named("in_a_row"), limits.skew.named("skew")),
    )

"""Criteria of sweeps as a whole: who sweeps, the lock, the budget, and the trend of assessment failures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from checks.statehub.formatting import at
from checks.statehub.timing import (
    apart,
    events_astray,
    events_lost,
    future,
    ripe,
    runs_astray,
    runs_lost,
    stretch_astray,
    watching,
)
from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.statehub.schedule.grid import at_or_after, at_or_before, consecutive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.statehub.activity.models import Runs
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.sources.models import Source, Sources
    from systems.statehub.sweeps.models import SweepEvent, Sweeps

__all__ = ["assessment_trend", "known_sources", "lock_is_free", "no_earlier_strangers", "nobody_starves"]

_MOST = 10


def _strangers(sources: Iterable[Source], allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{s.name or '(no name)'}: {s.count} sweeps, newest {s.newest_id} at {at(s.newest)}"
        for s in sources
        if s.name not in allowed
    ]


def known_sources(sources: Sources, limits: StateHubLimits) -> Finding:
    """Since the rules are in force all sweeps came from the cluster or from people."""
    strange = _strangers(sources.judged, sources.allowed)
    counts = ", ".join(f"{s.name} {s.count}" for s in sources.judged)
    cut = sources.covers > sources.since
    more = f"events reach back only to {at(sources.covers)}" if cut else ""
    lost, astray = _lost(sources), stretch_astray(sources.day, sources.since)
    return first_of(
        fail("stranger", strange),
        unknown("clock-ahead", not sources.ahead <= limits.skew.duration),
        unknown("out-of-window", astray),
        unknown("no-sweep", not sources.judged),
        unknown("part-missing", cut or lost),
        ok="known",
    ).finding(
        expected=f"only {', '.join(sources.allowed)} since {at(sources.since)} ({sources.since_why})",
        observed="; ".join(
            filter(
                None,
                (
                    f"sweeps by source: {counts}" if counts else "no sweep since then",
                    more,
                    lost,
                    astray,
                    _clock(sources),
                ),
            )
        ),
        details=tuple(strange[:_MOST]),
        limits=(limits.skew.named("skew"),),
    )


def _lost(sources: Sources) -> str:
    """How many sweeps of the last 24 h have no source in the evidence; empty if all have one."""
    here = sum(s.count for s in (*sources.judged, *sources.earlier))
    return (
        ""
        if here == sources.count
        else f"{sources.count} sweeps in 24 h, the evidence has the source of {here}"
    )


def _clock(sources: Sources) -> str:
    """How far the newest sweep is in the future; empty if it is not."""
    ahead = sources.ahead.total_seconds()
    return f"the newest event is {ahead:.1f} s in the future" if ahead > 0 else ""


def no_earlier_strangers(sources: Sources, limits: StateHubLimits) -> Finding:
    """In the part of the 24 h that S-SRC-1 no longer judges there was no other source either."""
    strange = _strangers(sources.earlier, sources.allowed)
    counts = ", ".join(f"{s.name} {s.count}" for s in sources.earlier)
    # Sweeps of instants up to here ended before the period that S-SRC-1 judges.
    astray, lost = stretch_astray(sources.day, sources.since), _lost(sources)
    until = sources.since - limits.sweep.duration - limits.slack.duration
    ended = at_or_after(sources.day, limits.interval.duration) <= until
    cut = ended and sources.covers > sources.day
    observed = counts or ("no sweep in that period" if ended else "nothing older: S-SRC-1 judges all 24 h")
    more = f"events reach back only to {at(sources.covers)}" if cut else ""
    if not sources.judged:
        more = f"no sweep since {at(sources.since)} either"
    return first_of(
        fail("earlier-stranger", strange),
        unknown("clock-ahead", not sources.ahead <= limits.skew.duration),
        unknown("out-of-window", astray),
        unknown("no-sweep", not sources.judged or (ended and not sources.earlier)),
        unknown("part-missing", cut or lost),
        fine("whole-day", not ended),
        ok="none",
    ).finding(
        expected=f"no other source before {at(sources.since)} ({sources.since_why})",
        observed="; ".join(filter(None, (observed, more, lost, astray, _clock(sources)))),
        details=tuple(strange[:_MOST]),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "skew")),
    )


def lock_is_free(runs: Runs, sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """The lock never skips two scheduled sweeps in a row, by their events or their runs."""
    step = limits.interval.duration
    skips = [
        (at_or_before(e.at + limits.skew.duration, step), e.result.lock_skipped)
        for e in sweeps.scheduled
        if e.at >= runs.since
    ]
    skips += [
        (at_or_before(r.scheduled_for, step), r.result.lock_skipped)
        for r in runs.scheduled
        if r.scheduled_for is not None and r.result is not None and r.scheduled_for >= runs.since
    ]
    known = {instant for instant, _ in skips}
    skipped = {instant for instant, skip in skips if skip}
    rows = [group for group in consecutive(sorted(skipped), step) if len(group) > 1]
    details = [
        f"{len(group)} in a row from {at(group[0])} to {at(group[-1])}: {_before(group[0], sweeps)}"
        for group in rows[-_MOST:]
    ]
    ahead, clock, early = future(sweeps, limits), apart(runs, limits), watching(runs, limits)
    astray = runs_astray(runs, limits) or events_astray(sweeps, limits)
    lost = runs_lost(runs) or events_lost(sweeps)
    cut = [i for i in ripe(runs, limits) if i < sweeps.covers and i not in known]
    observed = (
        f"{len(skipped)} sweeps lock_skipped since {at(runs.since)} ({runs.since_why}), never two in a row"
    )
    if rows:
        observed = f"lock_skipped two or more times in a row, {len(rows)} times since {at(runs.since)}"
    more = (
        f"events reach back only to {at(sweeps.covers)}, and {len(cut)} older runs have no result"
        if cut
        else ""
    )
    return first_of(
        fail("held", rows and not ahead),  # with a wrong clock one skip may count twice
        unknown("clock-ahead", ahead),
        unknown("clock-skew", clock),
        unknown("out-of-window", astray),
        unknown("too-early", early),
        unknown("part-missing", cut or lost),
        unknown("no-sweep", not known),
        ok="free",
    ).finding(
        expected="never two scheduled sweeps in a row with lock_skipped",
        observed="; ".join(
            filter(
                None,
                (observed, ahead, clock, astray, lost, early, more, "" if known else "no sweep found"),
            )
        ),
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("interval", "sweep", "slack", "skew")),
    )


def _before(first: datetime, sweeps: Sweeps) -> str:
    """The last sweep that ended before a moment: the lock is held by it, or by a later sweep that never ended."""
    worked = [e for e in sweeps.events if not e.result.lock_skipped and e.at < first]
    if not worked:
        return "no sweep ended before them in the window"
    last = max(worked, key=lambda e: e.at)
    return f"last sweep that ended before them: {last.id} at {at(last.at)} ({last.result.source})"


def nobody_starves(sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """No repository is in skipped_budget of every one of the newest sweeps."""
    count = max(1, int(limits.starved.value))
    newest = [e for e in sweeps.own if not e.result.automation_error][:count]
    skipped = [(e, e.result.skipped_budget) for e in newest]
    names = [set(repos.names or ()) if repos else set() for _, repos in skipped]
    nameless = [e for e, repos in skipped if repos and not repos.all_named]
    few = len(newest) < count
    always = set() if few else set.intersection(*names)
    clock, astray, lost = future(sweeps, limits), events_astray(sweeps, limits), events_lost(sweeps)
    most = max((repos.count for _, repos in skipped if repos), default=0)
    observed = f"at most {most} repositories in skipped_budget of one sweep, none in all {len(newest)}"
    if always:
        observed = f"{', '.join(sorted(always)[:_MOST])}: {len(always)} repositories in skipped_budget of every sweep from {at(newest[-1].at)} to {at(newest[0].at)}"
    elif few:
        observed = f"only {len(newest)} of {count} scheduled sweeps to compare are in the window"
    elif nameless:
        first = nameless[0]
        observed = f"event {first.id} of {at(first.at)} does not name all repositories in skipped_budget"
    return first_of(
        fail("starved", always),
        unknown("clock-ahead", clock),
        unknown("out-of-window", astray),
        unknown("part-missing", lost),
        unknown("too-few", few),
        unknown("names-missing", nameless),
        ok="all-had-a-turn",
    ).finding(
        expected=f"no repository in skipped_budget of {limits.starved} in a row",
        observed="; ".join(filter(None, (observed, clock, astray, lost))),
        limits=(limits.starved.named("starved"), limits.skew.named("skew")),
    )


def assessment_trend(sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """Assessment failures do not rise over the window, and none is new. Advisory: to follow up, never a failure."""
    worked, clock = sweeps.own, future(sweeps, limits)
    astray, lost = events_astray(sweeps, limits), events_lost(sweeps)
    counted = [e for e in reversed(worked) if e.result.assessment_failures is not None]
    first, last = (counted[0], counted[-1]) if counted else (None, None)
    before, now = (e.result.assessment_failures or 0 if e else 0 for e in (first, last))
    listed = [e.result.gaps if e else None for e in (first, last)]
    was, has = (set(gaps.names if gaps else ()) for gaps in listed)
    nameless = [gaps for gaps in listed if gaps and not gaps.all_named]
    named = not nameless and bool(was or not before) and bool(has or not now)
    new, fixed = (sorted(has - was), sorted(was - has)) if named else ([], [])
    details: list[str] = []
    observed = f"none of {len(worked)} scheduled events has assessment_failures"
    if first and last:
        observed = f"{now} assessment failures at {at(last.at)}, {before} at {at(first.at)}"
        counts = [e.result.assessment_failures or 0 for e in counted]
        details = [f"min {min(counts)}, max {max(counts)} over {len(counted)} sweeps"]
        details += [
            f"{what}: {', '.join(gaps[:_MOST])}" for what, gaps in (("new", new), ("fixed", fixed)) if gaps
        ]
        details += _trends(first, last) if named else ["not every sweep names its repositories and codes"]
    return first_of(
        fail("rising", now > before),
        fail("new", new),
        fail("not-reported", worked and not counted),
        unknown("clock-ahead", clock),
        unknown("out-of-window", astray),
        unknown("part-missing", lost),
        unknown("no-sweep", not worked),
        unknown("not-counted", worked and worked[0].result.assessment_failures is None),
        unknown("too-few", len(counted) == 1),
        unknown("names-missing", nameless),
        ok="not-rising",
    ).finding(
        expected="no more assessment failures than at the start of the window, and no new ones (advisory: no gate counts it)",
        observed="; ".join(filter(None, (observed, clock, astray, lost))),
        details=tuple(details),
        limits=(limits.skew.named("skew"),),
    )


def _trends(first: SweepEvent, last: SweepEvent) -> list[str]:
    """Counts per repository and per code at both ends of the window, where there are any."""
    lines = []
    for what, part in (("repository", 0), ("code", 1)):
        ends = [Counter(_parts(gap)[part] for gap in _listed(e)) for e in (first, last)]
        keys = sorted(set(ends[0]) | set(ends[1]), key=lambda k: (-ends[1][k], k))
        shown = [f"{k or '?'} {ends[0][k]} → {ends[1][k]}" for k in keys[:_MOST]]
        more = f" and {len(keys) - _MOST} more" if len(keys) > _MOST else ""
        if shown:
            lines.append(f"per {what}: {', '.join(shown)}{more}")
    return lines


def _listed(event: SweepEvent) -> tuple[str, ...]:
    return event.result.gaps.names if event.result.gaps else ()


def _parts(gap: str) -> tuple[str, str]:
    """Repository and code of a gap; a code is the last word that looks like one."""
    repo, _, code = gap.rpartition(" ")
    return (repo, code) if repo else (gap, "")

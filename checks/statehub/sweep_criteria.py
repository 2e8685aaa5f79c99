"""What must hold of who sweeps, of the lock and the budget, and how hygiene gaps develop."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from checks.statehub.words import at
from fixtures.statehub.grid import at_or_before, consecutive
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from fixtures.statehub.limits import StateHubLimits
    from fixtures.statehub.seen import Runs, SweepEvent, Sweeps
    from fixtures.statehub.seen_sources import Source, Sources, Starved

__all__ = ["assessment_trend", "known_sources", "lock_is_free", "no_earlier_strangers", "nobody_starves"]

_MOST = 10


def _strangers(found: Iterable[Source], allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{s.name or '(no name)'}: {s.count} sweeps, the newest {s.newest_id} of {at(s.newest)}"
        for s in found
        if s.name not in allowed
    ]


def known_sources(sources: Sources) -> Finding:
    """Only the cluster and people have swept since the rules are in force."""
    strange = _strangers(sources.judged, sources.allowed)
    counts = ", ".join(f"{s.name} {s.count}" for s in sources.judged)
    return Finding(
        holds=not strange,
        reason="stranger" if strange else "known",
        expected=f"only {', '.join(sources.allowed)} since {at(sources.since)} ({sources.since_why})",
        observed=counts,
        details=tuple(strange[:_MOST]),
    )


def no_earlier_strangers(sources: Sources) -> Finding:
    """In the part of the 24 hours that is judged no longer nobody else swept either."""
    strange = _strangers(sources.earlier, sources.allowed)
    counts = ", ".join(f"{s.name} {s.count}" for s in sources.earlier)
    return Finding(
        holds=not strange,
        reason="earlier-stranger" if strange else "none",
        expected=f"nobody else before {at(sources.since)} ({sources.since_why})",
        observed=counts or "no older sweep: the stretch is the whole day",
        details=tuple(strange[:_MOST]),
    )


def lock_is_free(runs: Runs, sweeps: Sweeps, limits: StateHubLimits) -> Finding:
    """The lock never skips two scheduled sweeps in a row. Whether a skip is told by its event or its run is the same."""
    step = limits.interval.duration
    skipped = {
        at_or_before(e.at + limits.skew.duration, step)
        for e in sweeps.scheduled
        if e.result.lock_skipped and e.at >= runs.since
    }
    skipped |= {
        at_or_before(r.scheduled_for, step)
        for r in runs.scheduled
        if r.scheduled_for is not None
        and r.result
        and r.result.lock_skipped
        and r.scheduled_for >= runs.since
    }
    rows = [group for group in consecutive(sorted(skipped), step) if len(group) > 1]
    details = [
        f"{len(group)} in a row from {at(group[0])} to {at(group[-1])}: {_before(group[0], sweeps)}"
        for group in rows[-_MOST:]
    ]
    return Finding(
        holds=not rows,
        reason="held" if rows else "free",
        expected="a sweep that the lock skips now and then, never two in a row",
        observed=f"{len(rows)} times two or more in a row"
        if rows
        else f"{len(skipped)} skipped since {at(runs.since)} ({runs.since_why}), never two in a row",
        details=tuple(details),
        limits=(limits.interval.named("interval"),),
    )


def _before(first: datetime, sweeps: Sweeps) -> str:
    """The last sweep that worked before a moment: it, or one after it that never ended, holds the lock."""
    worked = [e for e in sweeps.events if not e.result.lock_skipped and e.at < first]
    if not worked:
        return "no sweep before them has ended in the window"
    last = max(worked, key=lambda e: e.at)
    return f"the last that ended before them is {last.id} of {at(last.at)} ({last.result.source})"


def nobody_starves(starved: Starved, limits: StateHubLimits) -> Finding:
    """No repository is left out by the budget of every one of the newest sweeps."""
    always = set.intersection(*(set(names) for _, names in starved.sweeps)) if starved.sweeps else set()
    newest, oldest = starved.sweeps[0][0], starved.sweeps[-1][0]
    left_out = max(len(names) for _, names in starved.sweeps)
    return Finding(
        holds=not always,
        reason="starved" if always else "all-had-a-turn",
        expected=f"no repository in skipped_budget of {limits.starved} in a row",
        observed=f"{', '.join(sorted(always)[:_MOST])}: {len(always)} left out from {at(oldest)} to {at(newest)}"
        if always
        else f"at most {left_out} left out by one sweep, none by all {len(starved.sweeps)} since {at(oldest)}",
        limits=(limits.starved.named("starved"),),
    )


def assessment_trend(sweeps: Sweeps) -> Finding:
    """Hygiene gaps do not rise over the window, and none is new. Only ever advisory: work to follow up, no failure."""
    told = [e for e in reversed(sweeps.worked) if e.result.assessment_failures is not None]
    if not told:
        return Finding(
            holds=False,
            reason="not-reported",
            expected="sweeps count assessment failures",
            observed=f"none of {len(sweeps.worked)} scheduled events does",
        )
    first, last = told[0], told[-1]
    before, now = first.result.assessment_failures or 0, last.result.assessment_failures or 0
    named = bool(first.result.gaps or not before) and bool(last.result.gaps or not now)
    was, has = set(first.result.gaps), set(last.result.gaps)
    new, fixed = (sorted(has - was), sorted(was - has)) if named else ([], [])
    counts = [e.result.assessment_failures or 0 for e in told]
    details = [f"least {min(counts)}, most {max(counts)} over {len(told)} sweeps"]
    details += [
        f"{what}: {', '.join(gaps[:_MOST])}" for what, gaps in (("new", new), ("fixed", fixed)) if gaps
    ]
    details += (
        _trends(first, last)
        if named
        else ["which repositories and codes they are is not told by every sweep"]
    )
    rising = now > before
    return Finding(
        holds=not (rising or new),
        reason="rising" if rising else "new" if new else "not-rising",
        expected="no more assessment failures, and no others, than at the beginning of the window (never counted by a gate)",
        observed=f"{now} now ({at(last.at)}), {before} at {at(first.at)}",
        details=tuple(details),
    )


def _trends(first: SweepEvent, last: SweepEvent) -> list[str]:
    """Counts per repository and per code at both ends of the window, where there are any."""
    lines = []
    for what, part in (("repository", 0), ("code", 1)):
        ends = [Counter(_parts(gap)[part] for gap in e.result.gaps) for e in (first, last)]
        keys = sorted(set(ends[0]) | set(ends[1]), key=lambda k: (-ends[1][k], k))
        shown = [f"{k or '?'} {ends[0][k]} → {ends[1][k]}" for k in keys[:_MOST]]
        more = f" and {len(keys) - _MOST} more" if len(keys) > _MOST else ""
        if shown:
            lines.append(f"per {what}: {', '.join(shown)}{more}")
    return lines


def _parts(gap: str) -> tuple[str, str]:
    """Repository and code of a gap; a code is the last word that looks like one."""
    repo, _, code = gap.rpartition(" ")
    return (repo, code) if repo else (gap, "")

"""Observed values of sweeps: results, progress events, and the manual canary."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsverify.model.observation import Observed

__all__ = ["Gaps", "ManualCanary", "Repos", "SweepEvent", "SweepResult", "Sweeps"]


class Repos(Observed):
    """Repositories of a sweep: how many, and which; `names` is None if the sweep reports only a number."""

    count: int
    names: tuple[str, ...] | None

    @property
    def all_named(self) -> bool:
        """Whether there is a name for each of them."""
        return len(self.names or ()) == self.count


class Gaps(Observed):
    """Assessment failures that a sweep lists: repository and code of each, and their number."""

    count: int
    names: tuple[str, ...]

    @property
    def all_named(self) -> bool:
        """Whether each of them has a name."""
        return len(self.names) == self.count


class SweepResult(Observed):
    """Result of a sweep. None and empty texts stand for fields that it does not have.

    `automation_error` means that it could not do its work (`error` says why); `assessment_failures` that it did, and
    how many hygiene gaps it found (`gaps`, if it lists them).
    """

    source: str
    lock_skipped: bool
    exit_code: int | None
    automation_error: bool
    error: str
    assessment_failures: int | None
    gaps: Gaps | None
    processed: Repos | None
    skipped_clean: Repos | None
    skipped_missing: Repos | None
    skipped_budget: Repos | None
    took_s: float | None


class SweepEvent(Observed):
    """A progress event of a sweep, recorded at its end."""

    id: str
    at: datetime
    result: SweepResult


class Sweeps(Observed):
    """Progress events of the window, newest first; `count` is how many of them the reply had.

    `looked` is when they were asked for, by our clock; `covers` the instant from which on they are complete;
    `repeated` how many appeared twice; `source` is the source of scheduled sweeps, `manual` are those of manual ones.
    """

    events: tuple[SweepEvent, ...]
    count: int
    looked: datetime
    covers: datetime
    repeated: int
    source: str
    manual: tuple[str, ...]

    @property
    def ahead(self) -> timedelta:
        """How far the newest event is ahead of our clock; negative if it is in the past."""
        return max((e.at for e in self.events), default=self.looked) - self.looked

    @property
    def scheduled(self) -> tuple[SweepEvent, ...]:
        """Events of sweeps that nobody started by hand."""
        return tuple(e for e in self.events if e.result.source not in self.manual)

    @property
    def worked(self) -> tuple[SweepEvent, ...]:
        """Scheduled events of sweeps that the lock did not skip."""
        return tuple(e for e in self.scheduled if not e.result.lock_skipped)

    @property
    def own(self) -> tuple[SweepEvent, ...]:
        """Those with the schedule's own source: sweeps of others say nothing about the schedule."""
        return tuple(e for e in self.events if e.result.source == self.source and not e.result.lock_skipped)


class ManualCanary(Observed):
    """One sweep that this run requested, with its reply and its events.

    `reply` is None if there was none, for the reason in `no_reply`; `events` are new ones of a source that can be the
    canary's; `others` are the other new ones; `count` is how many are new in all.
    """

    posted: datetime
    took: timedelta
    reply: SweepResult | None
    no_reply: str
    events: tuple[SweepEvent, ...]
    others: tuple[SweepEvent, ...]
    count: int
    waited: timedelta

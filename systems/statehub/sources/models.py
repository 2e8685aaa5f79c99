"""Observed values across sources: who sweeps, and the clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsverify.model.observation import Observed

__all__ = ["Clocks", "Source", "Sources"]


class Source(Observed):
    """One source of sweeps (activity-core, manual, …): number of events, and the newest one."""

    name: str
    count: int
    newest: datetime
    newest_id: str


class Sources(Observed):
    """Who swept since `since` (because of `since_why`), and before that since `day`, where the last 24 hours begin.

    `covers` is the instant from which on the events are complete; `ahead` how far the newest is ahead of our clock;
    `count` how many sweeps there were since `day`.
    """

    count: int
    day: datetime
    covers: datetime
    ahead: timedelta
    since: datetime
    since_why: str
    allowed: tuple[str, ...]
    judged: tuple[Source, ...]
    earlier: tuple[Source, ...]


class Clocks(Observed):
    """How far the clock of each source that was `asked` is ahead of ours (at least); and the `missing` ones, with the reason.

    `clockless` are sources whose API has no clock.
    """

    asked: tuple[str, ...]
    ahead: tuple[tuple[str, timedelta], ...]
    missing: tuple[str, ...]
    clockless: tuple[str, ...]

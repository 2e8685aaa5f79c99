"""Observed values of activity-core's PostgreSQL: the server, the sweep's definition, its ActivityRuns."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsverify.model.observation import Observed
from systems.statehub.sweeps.models import SweepResult

__all__ = ["ActivityRun", "ActivityServer", "Definition", "Promised", "Runs"]


class Promised(Observed):
    """The definition that the target promises."""

    id: str
    name: str
    cron: str
    timezone: str
    misfire: str


class Definition(Observed):
    """The definition in activity-core, and the promised one. `found` is how many rows have its id or name."""

    promised: Promised
    found: int
    id: str
    name: str
    cron: str
    timezone: str
    misfire: str
    enabled: bool
    trigger: str
    changed: datetime | None

    @classmethod
    def absent(cls, promised: Promised) -> Definition:
        """No row has its id or name."""
        return cls(
            promised=promised, found=0, id="", name="", cron="", timezone="", misfire="", enabled=False, trigger="",
            changed=None,
        )  # fmt: skip


class ActivityRun(Observed):
    """One ActivityRun of the definition. `scheduled_for` is None if somebody triggered it by hand."""

    run_id: str
    scheduled_for: datetime | None
    fired_at: datetime | None
    result: SweepResult | None


class Runs(Observed):
    """ActivityRuns of the last 24 hours, oldest first; `count` is how many rows the database returned.

    Judged are the instants from `since` (because of `since_why`) on; `day` is where the 24 hours begin; `ahead` how
    far the database's clock is ahead of ours; `as_of` the time of the data: before now on a standby.
    """

    runs: tuple[ActivityRun, ...]
    count: int
    day: datetime
    since: datetime
    since_why: str
    as_of: datetime
    ahead: timedelta
    standby: bool
    manual: tuple[str, ...]

    @property
    def scheduled(self) -> tuple[ActivityRun, ...]:
        """Runs that the schedule made."""
        return tuple(
            r
            for r in self.runs
            if r.scheduled_for is not None and not (r.result and r.result.source in self.manual)
        )


class ActivityServer(Observed):
    """The PostgreSQL server of activity-core. `cluster` (system_identifier) is empty if our user may not read it; `behind` is how far
    a standby is behind its primary, None if it has replayed nothing; `refuses_writes` is default_transaction_read_only.
    """

    version: str
    cluster: str
    started: datetime
    standby: bool
    behind: timedelta | None
    refuses_writes: bool
    ahead: timedelta

    @property
    def identity(self) -> str:
        """Identity of the server as one text; a restart changes it."""
        return f"postgresql {self.version} cluster {self.cluster or '?'} up since {self.started.isoformat()}"

"""The result of a run: the one model that every report is made from, and that other programs read as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from opsverify.model.verdict import Finding, Severity, Verdict

if TYPE_CHECKING:
    from opsverify.evidence.redaction import Redactor

__all__ = [
    "SCHEMA_VERSION",
    "CanarySummary",
    "Change",
    "CheckResult",
    "CheckState",
    "Comparison",
    "Moment",
    "NotLookedAt",
    "RunReport",
    "Step",
    "SubsystemRate",
    "Surface",
    "Tied",
    "Trend",
]

SCHEMA_VERSION = "1.4"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Step(_Record):
    """One step of a drill. `after` and `took` in seconds; `bound` is the time it may take, if there is one."""

    phase: Literal["steady state", "fault", "detect", "recover", "steady state again", "undo"]
    title: str
    after: float
    took: float
    bound: float | None = None
    outcome: str = ""


class CheckResult(_Record):
    """One check of a run. `row` is the catalogue row; `source` the exact questions asked; `backend` what was asked."""

    id: str
    row: str
    name: str
    promise: str
    system: str
    subsystem: str
    severity: Severity
    verdict: Verdict
    reason: str
    explanation: str = ""
    gated: bool
    advisory: bool = False
    findings: tuple[Finding, ...] = ()
    source: tuple[str, ...] = ()
    backend: str = ""
    identity: str = ""
    observed_at: datetime | None = None
    took: float = 0.0
    runbook: str = ""
    alert: str = ""
    next_step: str = ""
    again: str = ""
    respond_within: str = ""
    resolve_within: str = ""
    nodeid: str
    timeline: tuple[Step, ...] = ()
    detail: str = ""


class NotLookedAt(_Record):
    """A check that this run did not judge, and why. `cause` is what it shares with others, in short; `severity` is None
    where the check was not even collected.
    """

    id: str
    reason: str
    severity: Severity | None = None
    cause: str = ""


class Surface(_Record):
    """What one surface of a system was in this run."""

    system: str
    surface: str
    backend: str
    identity: str = ""


class Tied(_Record):
    """What an incident's run looks at: the ids of what its checks depend on, of those tied to the alert, and of those
    that their next steps name.
    """

    alert: str
    dependencies: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


class Change(_Record):
    """One thing that is different from an earlier run."""

    about: Literal["verdict", "surface", "identity", "program", "limit", "value"]
    where: str
    before: str
    now: str


class Comparison(_Record):
    """What changed since an earlier run (its id, when it ended, where it is kept)."""

    run_id: str
    finished: datetime
    folder: str
    changes: tuple[Change, ...] = ()


class Moment(_Record):
    """The verdict of a check in an earlier run."""

    at: datetime
    verdict: Verdict


class Trend(_Record):
    """A check's verdicts over its last runs, oldest first; reports draw it where a history keeps one."""

    id: str
    moments: tuple[Moment, ...] = ()


class CheckState(_Record):
    """How a check stands over the canary's runs (`docs/canary.md`): `state` since `since`, and what it `was` where this
    run changed it. `recent` are its last verdicts, P, F or U, newest last. `red_since` is the first failure of a check
    that fails, or could not be seen since; `overdue_since` when its resolution was due, where that has passed.
    """

    check: str
    state: str
    was: str | None = None
    since: datetime
    recent: str = ""
    red_since: datetime | None = None
    overdue_since: datetime | None = None


class SubsystemRate(_Record):
    """Success over a window: the share of results that passed, of those that passed or failed, and what is left of the
    error budget (1 all, 0 or less exhausted). None where nothing passed or failed.
    """

    system: str
    subsystem: str
    window: str
    passed: int
    failed: int
    unknown: int
    success: float | None
    budget_left: float | None


class CanarySummary(_Record):
    """What the history says after this run."""

    history: str
    last_run: datetime | None = None
    changed_identities: tuple[str, ...] = ()
    states: tuple[CheckState, ...] = ()
    rates: tuple[SubsystemRate, ...] = ()


class RunReport(_Record):
    """A whole run. `exit_status` is the process's; `exit_meaning` its row of the contract; `headline` adds to that what
    was not looked at, by severity and cause.

    `target_key` is the identity of the instance, whatever its file is called; `only` names the part of it that the run
    was about, empty for all of it.
    """

    schema_version: str = SCHEMA_VERSION
    run_id: str
    opsverify_version: str
    target: str
    target_file: str
    target_key: str = ""
    kind: Literal["twin", "live", "replay"]
    profile: str | None
    only: tuple[str, ...] = ()
    gate: Severity
    started: datetime
    finished: datetime
    took: float
    exit_status: int
    exit_meaning: str
    headline: str
    counts: dict[Verdict, int]
    surfaces: tuple[Surface, ...] = ()
    not_looked_at: tuple[NotLookedAt, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    contact: str = ""
    incident: Tied | None = None
    comparison: Comparison | None = None
    trends: tuple[Trend, ...] = ()
    canary: CanarySummary | None = None
    checks: tuple[CheckResult, ...] = ()

    def redacted(self, redactor: Redactor) -> RunReport:
        """Take the secrets out. Its checks are redacted when they are recorded, the rest here."""
        rest = redactor.data(self.model_dump(mode="json", exclude={"checks"}))
        return RunReport.model_validate({**rest, "checks": self.checks})

    def worst_first(self) -> list[CheckResult]:
        """Checks ordered by verdict, then severity, then id."""
        return sorted(self.checks, key=lambda c: (c.verdict.badness, c.severity.value, c.id))

"""Severities, verdicts and findings, and the two exceptions of `verify`: CheckFailed and CannotTell."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CannotTell",
    "CheckFailed",
    "Figure",
    "Finding",
    "Outcome",
    "Severity",
    "SkipReason",
    "Verdict",
    "deciding",
    "worst",
]


class Severity(StrEnum):
    """How fast somebody has to act (BZZZ runbook, "Severity"; used for all systems)."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @property
    def response(self) -> timedelta:
        """Time within which a person answers."""
        return _TIMES[self][0]

    @property
    def resolution(self) -> timedelta:
        """Time within which the trouble is over."""
        return _TIMES[self][1]

    def at_or_above(self, gate: Severity) -> bool:
        """Whether this severity counts for `gate` (P0 is the highest)."""
        return self.value <= gate.value


_TIMES = {
    Severity.P0: (timedelta(minutes=15), timedelta(hours=2)),
    Severity.P1: (timedelta(hours=1), timedelta(hours=4)),
    Severity.P2: (timedelta(hours=4), timedelta(hours=24)),
    Severity.P3: (timedelta(hours=24), timedelta(weeks=1)),
}


class Verdict(StrEnum):
    """What a check concluded, worst first."""

    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    WAIVED = "WAIVED"
    SKIP = "SKIP"
    PASS = "PASS"  # noqa: S105 - a verdict, not a password

    @property
    def badness(self) -> int:
        """0 for the worst verdict; for sorting worst first."""
        return _BADNESS[self]


_BADNESS = {verdict: place for place, verdict in enumerate(Verdict)}


class SkipReason(StrEnum):
    """The closed list of reasons for which a check does not apply. Anything else is UNKNOWN."""

    DECLARED_ABSENT = "declared absent"
    NOT_PUBLISHED = "not published by this target"
    NOT_ARMED = "not armed"
    NOT_IN_PROFILE = "not in this profile"
    BACKEND_CANNOT = "backend cannot"
    NOT_ON_MACHINE = "not on this machine"


class Figure(BaseModel):
    """A value over time against its limit, and where a straight line through it leads: what a finding says, drawn.

    Values are shares in percent. `line` are the ends of that line, `band` instants with the lowest and highest value
    that it may have there; `reached` is when it meets the limit, at the earliest `earliest`, at the latest `latest`:
    None where it does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: str
    points: tuple[tuple[datetime, float], ...]
    limit: float
    line: tuple[tuple[datetime, float], ...] = ()
    band: tuple[tuple[datetime, float, float], ...] = ()
    reached: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None


class Finding(BaseModel):
    """Expected against observed, for one promise.

    `holds` is None where what was observed does not tell: a part is missing, there was no traffic, it is too early.
    `reason` is a stable code (kebab-case) that waivers and the detection matrix match;
    `expected` and `observed` are sentences with units; `details` are further lines of evidence;
    `limits` name each threshold used with its source; `evidence` the exact commands or URLs asked; `figure` is drawn
    where a report can.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    holds: bool | None
    reason: str
    expected: str
    observed: str
    details: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    figure: Figure | None = None


class Outcome(BaseModel):
    """A check's verdict with the findings behind it. `reason` is the worst finding's code, or why there is none.

    `cause` says in short what a check that was not judged shares with others, where it shares something.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    verdict: Verdict
    reason: str
    explanation: str = ""
    findings: tuple[Finding, ...] = ()
    cause: str = ""


class CheckFailed(AssertionError):
    """The system does not keep a promise. The only exception that makes a check FAIL."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            "; ".join(f"{f.reason}: expected {f.expected}, observed {f.observed}" for f in self.findings)
        )


class CannotTell(Exception):
    """What was observed does not tell whether the system keeps a promise. Makes a check UNKNOWN."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{f.reason}: {f.observed}" for f in self.findings))


def deciding(findings: Iterable[Finding]) -> Finding | None:
    """The finding that a verdict stands on: the first that does not hold, else the first that cannot be told."""
    listed = list(findings)
    for holds in (False, None):
        for finding in listed:
            if finding.holds is holds:
                return finding
    return None


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The worst of some verdicts, or None of none."""
    return min(verdicts, key=lambda v: v.badness, default=None)

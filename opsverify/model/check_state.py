"""State of a check over many runs: up, down, without data or flapping. Pure: no clock, no storage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from opsverify.model.verdict import Severity, Verdict

if TYPE_CHECKING:
    from opsverify.target.canary import CanaryTable

__all__ = ["CheckSample", "CheckStatus", "LastNotified", "State", "step"]


class State(StrEnum):
    """State of a check over many runs. NEW: too few runs to say."""

    NEW = "NEW"
    UP = "UP"
    DOWN = "DOWN"
    NO_DATA = "NO DATA"
    FLAPPING = "FLAPPING"

    @classmethod
    def _missing_(cls, value: object) -> State | None:
        """A history of an earlier version calls NO DATA by its old name."""
        return cls.NO_DATA if value == "BLIND" else None

    @property
    def trouble(self) -> bool:
        """Whether receivers are notified of it."""
        return self in (State.DOWN, State.NO_DATA, State.FLAPPING)


@dataclass(frozen=True, slots=True)
class CheckSample:
    """One run's outcome of a check. `confirmed`: it failed twice within 30 s."""

    verdict: Verdict
    severity: Severity
    at: datetime
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class CheckStatus:
    """The status of a check. `settled` is the state by its counts, `state` the reported one (FLAPPING overrides), since `since`.

    `failures`, `successes` and `unknowns` are the numbers in a row; `recent` the last verdicts, P, F or U, newest last;
    `frozen` says that the newest look was SKIP or WAIVED and changed nothing. `red_since` is the first failure since which
    there were not as many successes in a row as bring a check up: earlier than the third failure, which makes it DOWN.
    """

    since: datetime
    settled: State = State.NEW
    flapping: bool = False
    failures: int = 0
    successes: int = 0
    unknowns: int = 0
    recent: str = ""
    frozen: bool = False
    red_since: datetime | None = None

    @property
    def red(self) -> bool:
        """Whether it fails now, or could not be seen since it failed."""
        return self.red_since is not None and self.failures > 0 and not self.frozen

    def overdue_since(self, severity: Severity) -> datetime | None:
        """When a red check had to be resolved, by its severity's time; None where it is not red."""
        return self.red_since + severity.resolution if self.red and self.red_since else None

    @property
    def state(self) -> State:
        """The state that reports and notifications show."""
        return State.FLAPPING if self.flapping else self.settled


_LETTERS = {Verdict.PASS: "P", Verdict.FAIL: "F", Verdict.UNKNOWN: "U"}
_CALM = (
    1  # changes in the window with which flapping is over: fewer than start it, so that it is notified once
)


def step(before: CheckStatus | None, sample: CheckSample, rules: CanaryTable) -> CheckStatus:
    """The status of a check after one more sample."""
    was = before or CheckStatus(since=sample.at)
    letter = _LETTERS.get(sample.verdict)
    if letter is None:
        return replace(was, frozen=True)
    recent = (was.recent + letter)[-rules.flapping_runs :]
    successes = was.successes + 1 if letter == "P" else 0
    red_since = was.red_since or (sample.at if letter == "F" else None)
    counted = replace(
        was,
        frozen=False,
        recent=recent,
        # What could not be seen says nothing for a failure's end, and nothing for a success.
        failures={"P": 0, "F": was.failures + 1, "U": was.failures}[letter],
        successes=successes,
        unknowns=was.unknowns + 1 if letter == "U" else 0,
        red_since=None if successes >= rules.up_after else red_since,
    )
    now = replace(
        counted,
        settled=_settled(counted, sample, rules),
        flapping=_flaps(recent, rules, already=was.flapping),
    )
    return now if now.state is was.state else replace(now, since=sample.at)


def _settled(counted: CheckStatus, sample: CheckSample, rules: CanaryTable) -> State:
    at_once = sample.severity is Severity.P0 and sample.confirmed
    if sample.verdict is Verdict.FAIL and (at_once or counted.failures >= rules.down_after):
        return State.DOWN
    if counted.successes >= rules.up_after:
        return State.UP
    if counted.unknowns >= rules.blind_after:
        return State.NO_DATA
    return counted.settled


def _flaps(recent: str, rules: CanaryTable, *, already: bool) -> bool:
    changes = sum(a != b for a, b in pairwise(recent.replace("U", "")))
    return changes > _CALM if already else changes >= rules.flapping_changes


@dataclass(frozen=True, slots=True)
class LastNotified:
    """The state of a check in the last notification to a receiver, and when that was."""

    state: State
    at: datetime

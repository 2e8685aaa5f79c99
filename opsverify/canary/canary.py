"""A canary run: the lock on this and other machines, and the history of outcomes and states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from opsverify.canary.history import History, HistoryError, JudgedCheck, PastRun
from opsverify.model.check_state import CheckSample, CheckStatus, State, step
from opsverify.model.verdict import Verdict
from opsverify.report.model import CanarySummary, CheckState, Moment, SubsystemRate, Trend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.report.model import CheckResult, RunReport
    from opsverify.run.lock import Lock
    from opsverify.target.file import Target

__all__ = ["WINDOWS", "CanaryRun"]

WINDOWS = {"1 h": timedelta(hours=1), "24 h": timedelta(hours=24), "30 d": timedelta(days=30)}
"""Over which success is measured."""
_DRAWN = 30  # runs: a phone's width, and two and a half hours of a canary that looks every five minutes


class CanaryRun:
    """Takes the place of the target's lock, so that a run is alone on every machine that shares the history.

    `local` is this machine's own lock. Errors of the history are collected in `troubles`; they end no run.
    """

    def __init__(self, history: History, target: Target, local: Lock) -> None:
        self.history, self.local = history, local
        self.troubles: list[str] = []
        self.statuses: dict[str, CheckStatus] = {}
        self._target = target

    def acquire(self) -> None:
        """Take the target here, then for all machines. Raises TargetBusy."""
        self.local.acquire()
        try:
            self.history.hold(self.run_id)
        except HistoryError as error:
            self.troubles.append(f"the target is not locked against runs on other machines: {error}")
        except BaseException:
            self.local.release()
            raise

    @property
    def run_id(self) -> str:
        """The run that takes the target."""
        return self.local.run_id

    def release(self) -> None:
        """Release the target everywhere."""
        try:
            self.history.release()
        except HistoryError as error:
            self.troubles.append(str(error))  # its connection has ended, and the lock with it
        self.local.release()

    def record_busy(self, report: RunReport) -> int:
        """Record a run that found the target busy; returns how many in a row did so."""
        before = self.history.runs_since_look()
        self.history.record(_past(report, looked=False), [], {}, self._keep)
        return before + 1

    def add(self, report: RunReport, confirmed: frozenset[str]) -> CanarySummary:
        """Record a run that looked; returns the state of every check after it. Raises HistoryError."""
        earlier, last = self.history.statuses(), self.history.last_look()
        judged = [
            JudgedCheck(c.id, c.system, c.subsystem, c.reason, _sample(c, report, confirmed))
            for c in report.checks
        ]
        self.statuses = {
            one.check: step(earlier.get(one.check), one.sample, self._target.canary) for one in judged
        }
        self.history.record(_past(report, looked=True), judged, self.statuses, self._keep)
        return CanarySummary(
            history=self.history.where,
            last_run=last.finished if last else None,
            changed_identities=_changed(last.identities if last else {}, _identities(report)),
            states=tuple(self._state(c, earlier.get(c.id), report.finished) for c in report.worst_first()),
            rates=self._rates(report.finished),
        )

    def trends(self) -> tuple[Trend, ...]:
        """The last verdicts of each check of this run, for reports that draw them. Raises HistoryError."""
        return tuple(
            Trend(id=check, moments=tuple(Moment(at=at, verdict=verdict) for at, verdict in moments))
            for check, moments in sorted(self.history.trends(_DRAWN).items())
            if check in self.statuses
        )

    @property
    def _keep(self) -> timedelta:
        return timedelta(days=self._target.canary.keep)

    def _state(self, check: CheckResult, before: CheckStatus | None, at: datetime) -> CheckState:
        now = self.statuses[check.id]
        overdue_since = now.overdue_since(check.severity)
        was = before.state if before else State.NEW
        return CheckState(
            check=check.id,
            state=now.state,
            was=was if was is not now.state else None,
            since=now.since,
            recent=now.recent,
            red_since=now.red_since if now.red else None,
            overdue_since=overdue_since if overdue_since and overdue_since <= at else None,
        )

    def _rates(self, now: datetime) -> tuple[SubsystemRate, ...]:
        allowed = 1 - self._target.canary.objective
        rates = []
        for window, length in WINDOWS.items():
            for (system, subsystem), counts in sorted(self.history.counts(now - length).items()):
                passed, failed = counts.get(Verdict.PASS, 0), counts.get(Verdict.FAIL, 0)
                success = passed / (passed + failed) if passed + failed else None
                rates.append(
                    SubsystemRate(
                        system=system,
                        subsystem=subsystem,
                        window=window,
                        passed=passed,
                        failed=failed,
                        unknown=counts.get(Verdict.UNKNOWN, 0),
                        success=success,
                        budget_left=None if success is None else 1 - (1 - success) / allowed,
                    )
                )
        return tuple(rates)


def _sample(check: CheckResult, report: RunReport, confirmed: frozenset[str]) -> CheckSample:
    return CheckSample(check.verdict, check.severity, report.finished, confirmed=check.nodeid in confirmed)


def _identities(report: RunReport) -> dict[str, str]:
    return {f"{s.system}.{s.surface}": s.identity for s in report.surfaces if s.identity}


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{surface} was {before[surface]} and is {identity} now"
        for surface, identity in sorted(now.items())
        if before.get(surface, identity) != identity
    )


def _past(report: RunReport, *, looked: bool) -> PastRun:
    return PastRun(
        id=report.run_id,
        target=report.target,
        profile=report.profile or "",
        started=report.started,
        finished=datetime.now(UTC),
        exit_status=report.exit_status,
        looked=looked,
        opsverify=report.opsverify_version,
        identities=_identities(report),
    )

"""Dispatch of notifications after a run: each receiver of the target gets what is due for it, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsverify.model.check_state import CheckStatus, LastNotified, State
from opsverify.model.verdict import Severity, deciding
from opsverify.notify import alertmanager, pagerduty, slack, webhook
from opsverify.notify.notification import Notification, Post, due
from opsverify.notify.transport import send
from opsverify.report.canary import escalation
from opsverify.target.canary import AlertmanagerTable, PagerDutyTable, SlackTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsverify.canary.canary import CanaryRun
    from opsverify.report.model import CheckResult, RunReport
    from opsverify.target.canary import NotifyTable
    from opsverify.target.file import Target

__all__ = ["CANARY", "notify"]

CANARY = "CANARY"
"""Stands for the canary itself, which has no data while it finds its target busy."""
_NOTIFY_FROM_BUSY_RUNS = 2
_CANARY_SEVERITY = Severity.P1


async def notify(target: Target, canary: CanaryRun, report: RunReport, *, busy_in_a_row: int) -> list[str]:
    """Send each receiver of `target` what is due, record it, and return a warning for each that was not notified.

    Raises:
        HistoryError: who was notified of what cannot be read or written.
    """
    warnings_by_receiver = await asyncio.gather(
        *(_notify_one(table, target, canary, report, busy_in_a_row) for table in target.notify)
    )
    return [warning for warnings in warnings_by_receiver for warning in warnings]


async def _notify_one(
    table: NotifyTable, target: Target, canary: CanaryRun, report: RunReport, busy_in_a_row: int
) -> list[str]:
    now, before = datetime.now(UTC), canary.history.last_notified(table.title)
    relevant = [c for c in report.worst_first() if c.severity.at_or_above(table.at_least) and not c.advisory]
    results = {c.id: c for c in relevant}
    statuses = {check: canary.statuses[check] for check in results if check in canary.statuses}
    if _CANARY_SEVERITY.at_or_above(table.at_least):
        statuses |= _canary_itself(report, busy_in_a_row)
    reminding = target.canary.reminding
    notices = []
    for check, status in statuses.items():
        known = before.get(check)
        is_due = due(status, known, now, reminding, _severity(results.get(check)))
        lives = isinstance(table, AlertmanagerTable) and status.state.trouble and not status.frozen
        if is_due or lives:
            was = known.state if known else State.UP
            reminder = was is status.state
            notices.append(_notice(target, report, check, status, was, reminder=reminder))
    notices.sort(key=lambda n: (not n.state.trouble, n.severity, n.check))
    posts = _posts(table, notices, target, now)
    errors = await send(posts)
    accepted = [check for post in posts if post not in errors for check in post.checks]
    canary.history.record_notified(
        table.title, {check: LastNotified(statuses[check].state, now) for check in accepted}
    )
    return [
        f"{table.title} was not notified of {', '.join(post.checks)}: {why}" for post, why in errors.items()
    ]


def _canary_itself(report: RunReport, busy_in_a_row: int) -> Mapping[str, CheckStatus]:
    if 0 < busy_in_a_row < _NOTIFY_FROM_BUSY_RUNS:
        return {}
    return {CANARY: CheckStatus(since=report.started, settled=State.NO_DATA if busy_in_a_row else State.UP)}


def _posts(table: NotifyTable, notices: Sequence[Notification], target: Target, now: datetime) -> list[Post]:
    if isinstance(table, PagerDutyTable):
        url = table.url_env.get_secret_value() if table.url_env else pagerduty.ENQUEUE
        return pagerduty.posts(url, table.routing_key_env.get_secret_value(), notices)
    url = table.url_env.get_secret_value()
    headers = {"authorization": f"Bearer {table.token_env.get_secret_value()}"} if table.token_env else {}
    if isinstance(table, AlertmanagerTable):
        return alertmanager.posts(url, headers, notices, now, 2 * target.canary.reminding)
    if isinstance(table, SlackTable):
        return slack.posts(url, headers, notices)
    return webhook.posts(url, headers, notices)


def _notice(
    target: Target,
    report: RunReport,
    check: str,
    status: CheckStatus,
    was: State,
    *,
    reminder: bool,
) -> Notification:
    result = next((c for c in report.checks if c.id == check), None)
    failing = deciding(result.findings) if result else None
    overdue = status.overdue_since(_severity(result))
    observed = result.explanation if result else report.exit_meaning
    return Notification(
        key=f"opsverify/{target.key}/{check}"[:255],
        check=check,
        title=result.name if result else "the canary can run",
        system=result.system if result else "",
        subsystem=result.subsystem if result else "",
        target=report.target,
        severity=_severity(result),
        state=status.state,
        was=was,
        since=status.since,
        reminder=reminder,
        expected=(failing.expected if failing else result.promise) if result else "",
        observed=failing.observed if failing else observed,
        next_step=result.next_step
        if result
        else "find the run that holds the target's lock, and check whether it hangs",
        respond_within=result.respond_within if result else "",
        contact=report.contact,
        overdue=f"since {overdue:%Y-%m-%d %H:%MZ}; {escalation(report.contact)}"
        if overdue and overdue <= datetime.now(UTC)
        else "",
        run=report.run_id,
    )


def _severity(result: CheckResult | None) -> Severity:
    """Of a check's result, or of the canary itself."""
    return result.severity if result else _CANARY_SEVERITY

"""Notifications, and when one is due: on a change of state, and again while trouble lasts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsverify.model.check_state import CheckStatus, State
from opsverify.model.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.model.check_state import LastNotified

__all__ = ["Notification", "Post", "due"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One check's state, for people. `was` is the state in this receiver's last notification; `reminder`: nothing is new.

    `key` stays the same from trouble to its end. `overdue` says since when its resolution is overdue, and whom to escalate
    to; it is empty where it is not. All texts are redacted already.
    """

    key: str
    check: str
    title: str
    system: str
    subsystem: str
    target: str
    severity: Severity
    state: State
    was: State
    since: datetime
    reminder: bool
    expected: str
    observed: str
    next_step: str
    respond_within: str
    contact: str
    overdue: str
    run: str

    @property
    def headline(self) -> str:
        """The notification in one line."""
        again = ", still" if self.reminder else f", was {self.was}"
        late = " OVERDUE" if self.overdue else ""
        return f"{self.severity} {self.state}{late}{again}: {self.check} {self.title} on {self.target}, since {self.since:%Y-%m-%d %H:%MZ}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Post:
    """A request that notifies of `checks`: JSON `body` to `url`; `answers` are the statuses that accept it."""

    url: str
    body: Any
    checks: tuple[str, ...]
    answers: frozenset[int] = frozenset({200, 201, 202, 204})
    headers: Mapping[str, str] = field(default_factory=dict)


def due(
    status: CheckStatus, last: LastNotified | None, now: datetime, reminding: timedelta, severity: Severity
) -> bool:
    """Whether a receiver is to be notified of `status`, after `last`; becoming overdue counts as a change."""
    if status.frozen or status.state is State.NEW:
        return False
    before = last.state if last is not None else State.UP
    if status.state is not before:
        return status.state.trouble or before.trouble
    if not status.state.trouble or last is None:
        return False
    overdue_since = status.overdue_since(severity)
    is_news = overdue_since is not None and last.at < overdue_since <= now
    return is_news or now - last.at >= reminding

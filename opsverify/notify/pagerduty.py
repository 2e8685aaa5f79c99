"""PagerDuty, Events API v2: an incident for each check, opened by trouble and resolved by its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsverify.model.verdict import Severity
from opsverify.notify.notification import Notification, Post

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ENQUEUE", "posts"]

ENQUEUE = "https://events.pagerduty.com/v2/enqueue"
_LONGEST_SUMMARY = 1024
_ACCEPTED = frozenset({202})
_SEVERITIES = {
    Severity.P0: "critical",
    Severity.P1: "error",
    Severity.P2: "warning",
    Severity.P3: "info",
}


def posts(url: str, routing_key: str, notices: Sequence[Notification]) -> list[Post]:
    """A request for each notice: the API takes one event at a time."""
    return [
        Post(url=url, body=_event(routing_key, notice), checks=(notice.check,), answers=_ACCEPTED)
        for notice in notices
    ]


def _event(routing_key: str, notice: Notification) -> dict[str, Any]:
    event: dict[str, Any] = {"routing_key": routing_key, "dedup_key": notice.key}
    if not notice.state.trouble:
        return {**event, "event_action": "resolve"}
    payload = {
        "summary": notice.headline[:_LONGEST_SUMMARY],
        "source": notice.target,
        "severity": _SEVERITIES[notice.severity],
        "timestamp": notice.since.isoformat(timespec="milliseconds"),
        "component": notice.subsystem,
        "group": notice.system,
        "class": notice.state.value,
        "custom_details": {
            "expected": notice.expected,
            "observed": notice.observed,
            "next_step": notice.next_step,
            "respond_within": notice.respond_within,
            "contact": notice.contact,
            "overdue": notice.overdue,
            "run": notice.run,
        },
    }
    return {**event, "event_action": "trigger", "payload": payload}

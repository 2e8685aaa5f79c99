"""Alertmanager, API v2. An alert lives as long as it is sent again, so every run sends all trouble that there is;
Alertmanager itself tells people of changes only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsverify.notify.notification import Notification, Post

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["posts"]


def posts(
    url: str, headers: dict[str, str], notices: Sequence[Notification], now: datetime, lasts: timedelta
) -> list[Post]:
    """One request with every alert; an alert that is not sent again ends after `lasts`."""
    if not notices:
        return []
    return [
        Post(
            url=f"{url.rstrip('/')}/api/v2/alerts",
            headers=headers,
            body=[_alert(notice, now, lasts) for notice in notices],
            checks=tuple(notice.check for notice in notices),
        )
    ]


def _alert(notice: Notification, now: datetime, lasts: timedelta) -> dict[str, Any]:
    trouble = notice.state.trouble
    annotations = {
        "summary": notice.headline,
        "state": notice.state.value,
        "expected": notice.expected,
        "observed": notice.observed,
        "next_step": notice.next_step,
        "respond_within": notice.respond_within,
        "contact": notice.contact,
        "overdue": notice.overdue,
        "run": notice.run,
    }
    return {
        # The labels are the alert's identity: nothing that changes while it lasts.
        "labels": {
            "alertname": "OpsverifyCheck",
            "target": notice.target,
            "check": notice.check,
            "system": notice.system,
            "subsystem": notice.subsystem,
            "severity": notice.severity.value,
        },
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": _iso(notice.since if trouble else now - timedelta(seconds=1)),
        "endsAt": _iso(now + lasts if trouble else now),
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")

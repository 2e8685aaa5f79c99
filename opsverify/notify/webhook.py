"""A plain webhook: JSON by POST, one request for all notifications of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from opsverify.notify.notification import Notification, Post

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VERSION", "posts"]

VERSION = "1.0"
"""Of the body's shape."""


def posts(url: str, headers: dict[str, str], notices: Sequence[Notification]) -> list[Post]:
    """One request: `version`, and `notices` with the fields of `Notification`."""
    if not notices:
        return []
    body = {
        "version": VERSION,
        "notices": [{**asdict(n), "since": n.since.isoformat(), "headline": n.headline} for n in notices],
    }
    return [Post(url=url, headers=headers, body=body, checks=tuple(n.check for n in notices))]

"""Slack-compatible incoming webhooks: one message for all notifications of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.check_state import State
from opsverify.notify.notification import Notification, Post

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["posts"]

_MOST = 20
_SIGNS = {State.UP: "✅", State.DOWN: "🔴", State.NO_DATA: "⚫", State.FLAPPING: "🟠"}


def posts(url: str, headers: dict[str, str], notices: Sequence[Notification]) -> list[Post]:
    """One request with a paragraph for each notice, the worst first; those beyond the limit are counted."""
    if not notices:
        return []
    shown = [_paragraph(notice) for notice in notices[:_MOST]]
    if len(notices) > _MOST:
        shown.append(f"… and {len(notices) - _MOST} more; see the report of run {notices[0].run}")
    return [
        Post(
            url=url,
            headers=headers,
            body={"text": "\n".join(shown)},
            checks=tuple(notice.check for notice in notices),
        )
    ]


def _paragraph(notice: Notification) -> str:
    lines = [f"{_SIGNS.get(notice.state, '')} *{_plain(notice.headline)}*"]
    if notice.state.trouble:
        lines += [
            f"    {name}: {_plain(text)}"
            for name, text in (
                ("expected", notice.expected),
                ("observed", notice.observed),
                ("next", notice.next_step),
                ("respond within", notice.respond_within),
                ("contact", notice.contact),
                ("overdue", notice.overdue),
            )
            if text
        ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """`text` without links, mentions and formatting."""
    for sign, code in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("*", "\N{ASTERISK OPERATOR}"),
        ("`", "'"),
    ):
        text = text.replace(sign, code)
    return " ".join(text.split())

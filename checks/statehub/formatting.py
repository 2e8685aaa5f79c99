"""Text of State Hub's findings: instants, durations, and problems by reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

__all__ = ["at", "by_reason", "signed", "worst_first"]


def at(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def signed(duration: timedelta) -> str:
    """A duration in seconds, with its sign."""
    return f"{duration.total_seconds():+.3f} s"


def by_reason(troubles: Iterable[tuple[str, str]], reasons: Iterable[str]) -> dict[str, list[str]]:
    """The texts of all problems by reason. Raises KeyError if one has another reason."""
    texts: dict[str, list[str]] = {reason: [] for reason in reasons}
    for reason, text in troubles:
        texts[reason].append(text)
    return texts


def worst_first(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """All texts in the order of their reasons, the worst first."""
    return [text for texts in problems.values() for text in texts]

"""How State Hub's findings write moments, durations, and what is wrong."""

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
    """The words of all troubles for each of these reasons. Raises KeyError where one has another reason."""
    found: dict[str, list[str]] = {reason: [] for reason in reasons}
    for reason, words in troubles:
        found[reason].append(words)
    return found


def worst_first(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The words of all that was found, by reason, worst first."""
    return [words for each in found.values() for words in each]

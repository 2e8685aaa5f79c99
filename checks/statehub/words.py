"""How State Hub's findings write moments and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

__all__ = ["at", "signed"]


def at(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def signed(duration: timedelta) -> str:
    """A duration in seconds, with its sign."""
    return f"{duration.total_seconds():+.3f} s"

"""What State Hub's API answers about its newest event."""

from __future__ import annotations

from datetime import datetime

from opsverify.model.observation import Observed

__all__ = ["NewestEvents"]


class NewestEvents(Observed):
    """The newest events that one way to the API shows, newest first, and how many it showed."""

    events: tuple[tuple[str, datetime], ...]
    count: int

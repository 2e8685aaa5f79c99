"""Observed values of State Hub's API: its newest events."""

from __future__ import annotations

from datetime import datetime

from opsverify.model.observation import Observed

__all__ = ["NewestEvents"]


class NewestEvents(Observed):
    """The newest events on one path to the API (id and time), newest first, and how many it returned."""

    events: tuple[tuple[str, datetime], ...]
    count: int

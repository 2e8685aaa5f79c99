"""Observed values of Temporal: its frontend with the namespace, and the sweep's schedule."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsverify.model.observation import Observed

__all__ = ["Frontend", "Schedule"]


class Frontend(Observed):
    """Temporal's frontend: server version, and the state of the namespace."""

    version: str
    namespace: str
    state: str


class Schedule(Observed):
    """The sweep's schedule in Temporal. `found` are the ids of all schedules of this definition, `count` their number; the
    other fields are empty if there is none. `next` are the next fire times that Temporal computes, `last` its newest
    action, `missed` its actions beyond the catch-up window.
    """

    found: tuple[str, ...]
    count: int
    others: tuple[str, ...]
    definition: str
    paused: bool
    note: str
    overlap: str
    next: tuple[datetime, ...]
    last: datetime | None
    created: datetime | None
    jitter: timedelta
    catchup: timedelta
    missed: int
    invalid: str

    @classmethod
    def absent(cls, others: tuple[str, ...], definition: str) -> Schedule:
        """No schedule belongs to this definition."""
        nothing = timedelta(0)
        return cls(
            found=(), count=0, others=others, definition=definition, paused=False, note="", overlap="", next=(), last=None,
            created=None, jitter=nothing, catchup=nothing, missed=0, invalid="",
        )  # fmt: skip

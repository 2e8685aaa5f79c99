"""Temporal's frontend and the schedule in it."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsverify.model.observation import Observed

__all__ = ["Frontend", "Schedule"]


class Frontend(Observed):
    """Temporal as it answers: its version, and the state of the namespace."""

    version: str
    namespace: str
    state: str


class Schedule(Observed):
    """The sweep's schedule in Temporal. `found` are the ids of all that are this definition's, `count` is how many they
    are; the others are empty where there is none. `next` are its coming fire times as Temporal computes them, `last` its newest action.
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
        """None is this definition's."""
        nothing = timedelta(0)
        return cls(
            found=(), count=0, others=others, definition=definition, paused=False, note="", overlap="", next=(), last=None,
            created=None, jitter=nothing, catchup=nothing, missed=0, invalid="",
        )  # fmt: skip

"""What is seen of logs: the shape of an observed value."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed

__all__ = ["LogFile", "LogLine", "Logs", "NodeLogs"]


class LogLine(Observed):
    """A line, when it was written where that is known, and of which stream or service."""

    at: AwareDatetime | None
    of: str
    text: str


class Logs(Observed):
    """Lines with ERROR, FATAL or panic in a window of `window_s` seconds. `errors` is how many were counted, `fatal`
    those with FATAL or panic: both at least, where there may be `more` of them, and where of somebody only the newest
    lines were read (`newest_only`). `lines` is how many lines of any kind were seen, and `newest` the newest of those.
    `instead` says of whom this was asked in whose place.
    """

    of: str
    window_s: float
    lines: int
    errors: int
    fatal: int
    more: bool
    newest: AwareDatetime | None
    newest_only: bool = False
    samples: tuple[LogLine, ...] = ()
    warnings: tuple[str, ...] = ()
    instead: str = ""


class LogFile(Observed):
    """A log file and its size in bytes."""

    path: str
    size: int


class NodeLogs(Observed):
    """The logs of a node: the bytes of all, how many files, and the largest. `trouble` is why they, or not all of them,
    were seen.
    """

    node: str
    folders: tuple[str, ...]
    size: int
    count: int
    largest: tuple[LogFile, ...]
    missing: tuple[str, ...]
    trouble: str

    @property
    def unseen(self) -> str:
        """Why nobody knows how large its logs are, or nothing."""
        return self.trouble or (
            "none of its folders is there" if len(self.missing) == len(self.folders) else ""
        )

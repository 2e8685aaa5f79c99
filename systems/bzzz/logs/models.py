"""Models of logs: error lines, and log files of nodes."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed

__all__ = ["LogFile", "LogLine", "Logs", "NodeLogs"]


class LogLine(Observed):
    """A line with its stream or service, and its time where that is known."""

    at: AwareDatetime | None
    of: str
    text: str


class Logs(Observed):
    """Lines with ERROR, FATAL or panic in a window of `window_s` seconds. `errors` is their number, `fatal` that of those
    with FATAL or panic; both are lower bounds where there may be `more`, or where only the newest lines of a service
    were read (`newest_only`). `lines` is how many lines of any kind were read, and `newest` the time of the newest.
    `instead` says where the services' own logs stand in for Loki.
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
    """The log files of a node: total bytes, number, and the largest. `trouble` is why they were not read, or not all."""

    node: str
    folders: tuple[str, ...]
    size: int
    count: int
    largest: tuple[LogFile, ...]
    missing: tuple[str, ...]
    trouble: str

    @property
    def unseen(self) -> str:
        """Why the size of its logs is unknown; empty where it is known."""
        return self.trouble or (
            "none of its log folders exists" if len(self.missing) == len(self.folders) else ""
        )

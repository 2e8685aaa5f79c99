"""Criteria of logs: error lines, arrival of new lines, sizes of log files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.bzzz.formatting import in_bytes
from opsverify.model.ladder import fail, first_of, unknown
from systems.bzzz.published.models import LARGEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.logs.models import Logs, NodeLogs

__all__ = ["arriving", "few_errors", "logs_bounded"]


def few_errors(logs: Logs, limits: BzzzLimits) -> Finding:
    """There is no line with FATAL or panic, and no more than a few with ERROR."""
    limit = limits.log_errors
    part = logs.more or logs.newest_only
    count = f"at least {logs.errors}" if part else f"{logs.errors}"
    read = f" (only the newest {limits.log_lines.value:g} lines of each were read)" if part else ""
    unread = "; more lines were not read: raise log_lines, or lower log_errors" if logs.more else ""
    none = f"no line of {logs.of} in {logs.window_s:g} s: check the log shipper and its labels"
    return first_of(
        fail("fatal-lines", logs.fatal),
        fail("errors-logged", not logs.errors <= limit.value),
        unknown("no-lines", not logs.lines),
        unknown("more-not-read", logs.more),
        ok="few-errors",
    ).finding(
        expected=f"no line with FATAL or panic, at most {limit} with ERROR in {logs.window_s:g} s of {logs.of}{read}",
        observed=f"{count} lines with ERROR, FATAL or panic, {logs.fatal} of them FATAL or panic{unread}"
        if logs.lines or logs.errors
        else none,
        details=(
            *((logs.instead,) if logs.instead else ()),
            *(f"{f'{line.at:%H:%M:%SZ} ' if line.at else ''}{line.of}: {line.text}" for line in logs.samples),
            *(f"Loki warns: {w}" for w in logs.warnings),
        ),
        limits=(
            limit.named("log_errors"),
            limits.log_window.named("log_window"),
            limits.log_lines.named("log_lines"),
        ),
    )


def arriving(logs: Logs, at: datetime, limits: BzzzLimits) -> Finding:
    """The newest line is recent: where lines stopped arriving, none with ERROR proves nothing."""
    limit = limits.log_silence
    age = math.nan if logs.newest is None else (at - logs.newest).total_seconds()
    return first_of(
        fail("logs-stopped", age > limit.value),
        unknown("no-lines", logs.newest is None),
        unknown("logs-ahead", not age >= -limit.value),
        ok="logs-arrive",
    ).finding(
        expected=f"a line of {logs.of} in the last {limit}",
        observed="no line"
        if logs.newest is None
        else f"newest line is {age:.0f} s old"
        if age >= 0
        else f"newest line is dated {-age:.0f} s in the future",
        limits=(limit.named("log_silence"),),
    )


_MOST = 12


def logs_bounded(nodes: Sequence[NodeLogs], limits: BzzzLimits) -> Finding:
    """No log file, and no node's logs together, exceed their limit."""
    large = [(n, f) for n in nodes for f in n.largest if not f.size <= limits.log_file.value]
    full = [n for n in nodes if not n.size <= limits.logs_in_all.value]
    unseen = [f"{n.node}: {n.unseen}" for n in nodes if n.unseen]
    unseen += [f"{n.node}: largest files not listed" for n in nodes if len(n.largest) < min(n.count, LARGEST)]
    shown = [f"{n.node}: {f.path} {in_bytes(f.size)}" for n, f in large]
    shown += [f"{n.node}: {n.count} files, {in_bytes(n.size)} in {', '.join(n.folders)}" for n in full]
    return first_of(
        fail("log-too-large", large),
        fail("logs-too-large", full),
        unknown("part-missing", unseen or not nodes),
        ok="logs-bounded",
    ).finding(
        expected=f"each log file at most {in_bytes(limits.log_file.value)}, all of a node together at most {in_bytes(limits.logs_in_all.value)}",
        observed=f"{len(large)} files and {len(full)} nodes above the limit"
        if shown
        else ", ".join(
            (n.unseen and f"{n.node}: {n.unseen}") or f"{n.node}: {n.count} files, {in_bytes(n.size)}"
            for n in nodes
        ),
        details=(
            *shown[:_MOST],
            *unseen,
            *(f"{n.node}: no folder {m}" for n in nodes for m in n.missing),
        ),
        limits=(limits.log_file.named("log_file"), limits.logs_in_all.named("logs_in_all")),
    )

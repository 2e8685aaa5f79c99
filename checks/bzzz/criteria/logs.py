"""What must hold of BZZZ's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.logs import Logs

__all__ = ["arriving", "few_errors"]


def few_errors(seen: Logs, limits: BzzzLimits) -> Finding:
    """No line tells of a program's end, and not more than a few of an error."""
    limit = limits.log_errors
    count = f"at least {seen.errors}" if seen.more else f"{seen.errors}"
    read = f", as far as the newest {limits.log_lines} of each reach" if seen.more else ""
    reason = "fatal-lines" if seen.fatal else "errors-logged" if seen.errors > limit.value else "few-errors"
    return Finding(
        holds=reason == "few-errors",
        reason=reason,
        expected=f"no FATAL or panic and at most {limit} with ERROR in {seen.window_s:g} s of {seen.of}{read}",
        observed=f"{count} lines with ERROR, FATAL or panic, {seen.fatal} of them FATAL or panic",
        details=(
            *((seen.instead,) if seen.instead else ()),
            *(f"{f'{line.at:%H:%M:%SZ} ' if line.at else ''}{line.of}: {line.text}" for line in seen.samples),
            *(f"Loki warns: {w}" for w in seen.warnings),
        ),
        limits=(
            limit.named("log_errors"),
            limits.log_window.named("log_window"),
            limits.log_lines.named("log_lines"),
        ),
    )


def arriving(seen: Logs, at: datetime, limits: BzzzLimits) -> Finding:
    """The newest line is young: what has been silent says nothing of the errors that there are."""
    limit = limits.log_silence
    age = None if seen.newest is None else (at - seen.newest).total_seconds()
    holds = age is not None and age <= limit.value
    return Finding(
        holds=holds,
        reason="logs-arrive" if holds else "logs-stopped",
        expected=f"a line of {seen.of} in the last {limit}",
        observed="none" if age is None else f"the newest is {age:.0f} s old",
        limits=(limit.named("log_silence"),),
    )

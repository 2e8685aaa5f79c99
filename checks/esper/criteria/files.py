"""What must hold of the program's files: Tamiyo's field reports, the forge's logs, the library and its artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.files import Forge, LeftWal, Library, ReportLog, RetryAlert

__all__ = [
    "library_matches_artifacts",
    "log_is_recent",
    "log_is_whole",
    "nothing_left_behind",
    "nothing_pending",
    "retry_alert_quiet",
]

_SHOWN = 20


def log_is_whole(log: ReportLog) -> Finding:
    """Every byte of the log belongs to a record that decodes, and the last record is finished."""
    expected = "a log of whole records, to its last byte"
    if log.problem:
        what = (
            f"{log.path} does not exist; it is created with the first report, below the program's working directory"
            if log.problem == "missing"
            else f"{log.path} is no regular file"
        )
        return Finding(holds=False, reason=log.problem, expected=expected, observed=what)
    details = [f"offset {offset}: {size} bytes are no record" for offset, size in log.garbage]
    if log.garbage_count > len(log.garbage):
        details.append(f"and {log.garbage_count - len(log.garbage)} more such places")
    if log.torn_at is not None:
        details.append(
            f"offset {log.torn_at}: the last record is unfinished, {log.torn_bytes} bytes of it are there"
        )
    if details:
        details.append(
            "it is binary: decode it, tail -f shows nothing; truncate only at a record's boundary, or to 0"
        )
    reason = "garbage" if log.garbage_count else "torn-tail" if log.torn_at is not None else "whole"
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(log.outcomes.items()))
    return Finding(
        holds=reason == "whole",
        reason=reason,
        expected=expected,
        observed=f"{log.records} records ({outcomes or 'none'}) in {log.size} bytes of {log.path}",
        details=tuple(details),
    )


def log_is_recent(log: ReportLog, at: datetime, limits: EsperLimits) -> Finding:
    """While training runs, the last report is young; otherwise its age is only shown."""
    expected = f"the last report at most {limits.report_age} old while training runs"
    shown = (limits.report_age.named("report_age"),)
    if log.newest is None:
        running = log.workload == "running"
        return Finding(
            holds=not running,
            reason="no-report" if running else "not-running",
            expected=expected,
            observed=f'no report in the log, workload = "{log.workload}"',
            limits=shown,
        )
    age = (at - log.newest).total_seconds()
    judged, most = log.workload == "running", limits.report_age.value
    reason = "not-running" if not judged else "stale" if age > most else "ahead" if age < -most else "recent"
    details = ["is the program running in another working directory? The log's path is relative to it"]
    return Finding(
        holds=reason in ("recent", "not-running"),
        reason=reason,
        expected=expected,
        observed=f'the last report was issued {log.newest:%Y-%m-%d %H:%M:%S}Z, {age:.0f} s ago; workload = "{log.workload}"',
        details=tuple(details) if reason == "stale" else (),
        limits=shown,
    )


def nothing_pending(seen: Forge) -> Finding:
    """The forge's WAL is absent, or names nothing as pending."""
    wal = seen.forge
    expected = f"no pending blueprint in {wal.path}"
    if wal.problem:
        return Finding(
            holds=False,
            reason="wal-unreadable",
            expected=expected,
            observed=f"the WAL cannot be read: {wal.problem}",
            details=(
                *seen.investigation,
                "a re-run takes it for empty: it finds by itself what has no row in the library",
            ),
        )
    ids = f"{', '.join(wal.pending[:_SHOWN])}{f' and {len(wal.pending) - _SHOWN} more' if len(wal.pending) > _SHOWN else ''}"
    still = f"the same for {seen.seconds:g} s: the forge is dead or stands still"
    return Finding(
        holds=not wal.pending,
        reason="pending" if wal.pending else "nothing-pending",
        expected=expected,
        observed=f"{len(wal.pending)} pending: {ids}; {still}"
        if wal.pending
        else ("the WAL names nothing" if wal.present else "no WAL"),
        details=seen.investigation,
    )


def nothing_left_behind(seen: Forge) -> Finding:
    """Neither the compiler nor the library left a WAL."""
    left = [_left("compiler", seen.compiler), _left("library", seen.library)]
    details = [line for line in left if line]
    if seen.compiler.present:
        details.append(
            "no program reads the compiler's WAL, and a re-run over a full library does not remove it"
        )
    if seen.library.present:
        details.append(
            "the library replays its own WAL at its next start if the artifact exists, else leaves it"
        )
    return Finding(
        holds=not any(left),
        reason="left-behind" if any(left) else "clean",
        expected="no compiler WAL and no library WAL",
        observed=f"{sum(map(bool, left))} left, unchanged for {seen.seconds:g} s"
        if any(left)
        else "none left",
        details=(*details, *(seen.investigation if any(left) else ())),
    )


def _left(whose: str, wal: LeftWal) -> str:
    if not wal.present:
        return ""
    return f"{whose} WAL {wal.path}: {wal.problem or f'blueprint {wal.blueprint}'}"


def library_matches_artifacts(seen: Library) -> Finding:
    """Each row of the library has its whole artifact, and each artifact has its row."""
    bad = [b for b in seen.blueprints if b.problem]
    details = [f"{b.id} ({b.tier}): {b.problem}" for b in bad[:_SHOWN]]
    details += [f"{path}: an artifact without a row" for path in seen.orphans[:_SHOWN]]
    more = len(bad) + len(seen.orphans) - len(details)
    if more > 0:
        details.append(f"and {more} more")
    if bad:
        details.append(
            "deleting the artifact alone does nothing: a blueprint with a row is never compiled again; drop the row too"
        )
    reason = (
        "library-unreadable"
        if seen.problem
        else "artifact-bad"
        if bad
        else "orphan"
        if seen.orphans
        else "matches"
    )
    counted = f"{len(seen.blueprints)} rows, {len(bad)} without a whole artifact, {len(seen.orphans)} artifacts without a row"
    return Finding(
        holds=reason == "matches",
        reason=reason,
        expected="each blueprint has its whole artifact, and each artifact its blueprint",
        observed=f"{seen.path}: {seen.problem}" if seen.problem else counted,
        details=tuple(details),
    )


def retry_alert_quiet(seen: RetryAlert) -> Finding:
    """Nissa does not alert on compile retries."""
    details = ["routes are lists in Nissa's memory: nobody was paged"] if seen.active else []
    if seen.newest is not None:
        details.append(f"newest tezzeret.compile.retry_count: {seen.newest:g}, in entry {seen.entry}")
    value = (
        ""
        if seen.value is None
        else f": {seen.value:g} retries when it fired; routes {', '.join(seen.routes) or 'none'}"
    )
    return Finding(
        holds=not seen.active,
        reason="alert-active" if seen.active else "quiet",
        expected="alert tezzeret_compile_retry_high quiet",
        observed=f"active{value}" if seen.active else "quiet, and its metric is published",
        details=tuple(details),
    )

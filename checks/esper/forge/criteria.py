"""What must hold of the program's files: Tamiyo's field reports, the forge's logs, the library and its artifacts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.esper.forge.models import Forge, LeftWal, Library, ReportLog, RetryAlert
    from systems.esper.limits import EsperLimits

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
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(log.outcomes.items()))
    observed = {
        "missing": f"{log.path} does not exist; it is created with the first report, below the program's working directory",
        "not-a-file": f"{log.path} is no regular file",
    }.get(log.problem, f"{log.records} records ({outcomes or 'none'}) in {log.size} bytes of {log.path}")
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
    if log.unread:
        details.append(f"{log.unread} bytes at its end were not read")
    missing = log.problem == "missing"
    return first_of(
        fail("missing", missing and log.workload == "running"),
        fail("not-a-file", log.problem == "not-a-file"),
        fail("garbage", log.garbage_count or log.garbage),
        fail("torn-tail", log.torn_at is not None or log.torn_bytes),
        unknown("no-log", missing),
        unknown("no-reports", not log.problem and not log.records),
        unknown("not-read-to-its-end", log.unread),
        ok="whole",
    ).finding(
        expected="a log of whole records, to its last byte",
        observed=observed,
        details=tuple(details),
    )


def log_is_recent(log: ReportLog, at: datetime, limits: EsperLimits) -> Finding:
    """While training runs, the last report is young; otherwise its age is only shown."""
    running, most = log.workload == "running", limits.report_age.value
    age = None if log.newest is None else (at - log.newest).total_seconds()
    told = (
        age is not None and not log.unread
    )  # of a log that was not read to its end the last report is not known
    judged = first_of(
        fail("no-report", running and age is None and not log.unread),
        fail("stale", running and told and not (age or 0.0) <= most),
        fail("ahead", running and told and not (age or 0.0) >= -most),
        unknown("not-read-to-its-end", running and log.unread),
        fine("not-running", not running),
        ok="recent",
    )
    observed = (
        "no report in the log"
        if log.newest is None
        else f"the last report {'that was read ' if log.unread else ''}was issued {log.newest:%Y-%m-%d %H:%M:%S}Z, {age:.0f} s ago"
    )
    details = ["is the program running in another working directory? The log's path is relative to it"]
    return judged.finding(
        expected=f"the last report at most {limits.report_age} old while training runs",
        observed=f'{observed}; workload = "{log.workload}"',
        details=tuple(details) if judged.reason == "stale" else (),
        limits=(limits.report_age.named("report_age"),),
    )


def nothing_pending(seen: Forge) -> Finding:
    """The forge's WAL is absent, or names nothing as pending."""
    wal, at_rest = seen.forge, not seen.moved
    expected = f"no pending blueprint in {wal.path}"
    judged = first_of(
        fail("wal-unreadable", wal.problem and at_rest),
        fail("pending", wal.pending and at_rest),
        unknown("forge-at-work", seen.moved),
        ok="nothing-pending",
    )
    if judged.holds is None:
        return judged.finding(expected=expected, observed=_at_work(seen))
    if wal.problem:
        return judged.finding(
            expected=expected,
            observed=f"the WAL cannot be read: {wal.problem}",
            details=(
                *seen.investigation,
                "a re-run takes it for empty: it finds by itself what has no row in the library",
            ),
        )
    ids = f"{', '.join(wal.pending[:_SHOWN])}{f' and {len(wal.pending) - _SHOWN} more' if len(wal.pending) > _SHOWN else ''}"
    still = f"the same for {seen.seconds:g} s: the forge is dead or stands still"
    return judged.finding(
        expected=expected,
        observed=f"{len(wal.pending)} pending: {ids}; {still}"
        if wal.pending
        else ("the WAL names nothing" if wal.present else "no WAL"),
        details=seen.investigation,
    )


def nothing_left_behind(seen: Forge) -> Finding:
    """Neither the compiler nor the library left a WAL."""
    expected = "no compiler WAL and no library WAL"
    left = [_left("compiler", seen.compiler), _left("library", seen.library)]
    judged = first_of(
        fail("left-behind", any(left) and not seen.moved),
        unknown("forge-at-work", seen.moved),
        ok="clean",
    )
    if judged.holds is None:
        return judged.finding(expected=expected, observed=_at_work(seen))
    details = [line for line in left if line]
    if seen.compiler.present:
        details.append(
            "no program reads the compiler's WAL, and a re-run over a full library does not remove it"
        )
    if seen.library.present:
        details.append(
            "the library replays its own WAL at its next start if the artifact exists, else leaves it"
        )
    return judged.finding(
        expected=expected,
        observed=f"{sum(map(bool, left))} left, unchanged for {seen.seconds:g} s"
        if any(left)
        else "none left",
        details=(*details, *(seen.investigation if any(left) else ())),
    )


def _at_work(seen: Forge) -> str:
    return f"a forge is at work: {seen.moved} within {seen.seconds:g} s; look again when it has ended"


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
    told = sum(b.copies for b in seen.blueprints) + len(seen.orphans)
    counted = f"{len(seen.blueprints)} rows, {len(bad)} without a whole artifact, {len(seen.orphans)} artifacts without a row"
    return first_of(
        fail("library-unreadable", seen.problem),
        fail("artifact-bad", bad),
        fail("orphan", seen.orphans),
        unknown("no-blueprints", not seen.blueprints),
        unknown("part-missing", len(seen.blueprints) < seen.rows or told < seen.files),
        ok="matches",
    ).finding(
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
    return first_of(
        fail("alert-active", seen.active),
        unknown("never-published", seen.newest is None or math.isnan(seen.newest)),
        ok="quiet",
    ).finding(
        expected="alert tezzeret_compile_retry_high quiet",
        observed=f"active{value}" if seen.active else "quiet, and its metric is published",
        details=tuple(details),
    )

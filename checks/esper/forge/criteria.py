"""Criteria of the program's files: Tamiyo's field-report log, the forge's WALs, the library and its artifacts."""

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
        "not-a-file": f"{log.path} is not a regular file",
    }.get(log.problem, f"{log.records} records ({outcomes or 'none'}) in {log.size} bytes of {log.path}")
    details = [f"offset {offset}: {size} bytes are not a record" for offset, size in log.garbage]
    if log.garbage_count > len(log.garbage):
        details.append(f"and {log.garbage_count - len(log.garbage)} more such places")
    if log.torn_at is not None:
        details.append(
            f"offset {log.torn_at}: the last record is incomplete, only {log.torn_bytes} bytes of it were written"
        )
    if details:
        details.append(
            "the log is binary, tail -f shows nothing; truncate it only at a record's boundary, or to 0 bytes"
        )
    if log.unread:
        details.append(f"the last {log.unread} bytes were not read")
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
        expected="an intact log: complete records to its last byte",
        observed=observed,
        details=tuple(details),
    )


def log_is_recent(log: ReportLog, at: datetime, limits: EsperLimits) -> Finding:
    """While training runs, the last report is recent; otherwise its age is only shown."""
    running, most = log.workload == "running", limits.report_age.value
    age = None if log.newest is None else (at - log.newest).total_seconds()
    known = age is not None and not log.unread  # a log that was not read to its end may have a later report
    judged = first_of(
        fail("no-report", running and age is None and not log.unread),
        fail("stale", running and known and not (age or 0.0) <= most),
        fail("ahead", running and known and not (age or 0.0) >= -most),
        unknown("not-read-to-its-end", running and log.unread),
        fine("not-running", not running),
        ok="recent",
    )
    observed = (
        "no report in the log"
        if log.newest is None
        else f"the last report {'that was read ' if log.unread else ''}was issued {log.newest:%Y-%m-%d %H:%M:%S}Z, {_ago(age or 0.0)}"
    )
    details = ["is the program running in another working directory? The log's path is relative to it"]
    return judged.finding(
        expected=f"the last report at most {limits.report_age} old while training runs",
        observed=f'{observed}; workload = "{log.workload}"',
        details=tuple(details) if judged.reason == "stale" else (),
        limits=(limits.report_age.named("report_age"),),
    )


def _ago(age_s: float) -> str:
    return f"{-age_s:.0f} s in the future" if age_s < 0 else f"{age_s:.0f} s ago"


def nothing_pending(forge: Forge) -> Finding:
    """The forge's WAL is absent, or names nothing as pending."""
    wal, at_rest = forge.forge, not forge.moved
    expected = f"no pending blueprint in {wal.path}"
    judged = first_of(
        fail("wal-unreadable", wal.problem and at_rest),
        fail("pending", wal.pending and at_rest),
        unknown("forge-at-work", forge.moved),
        ok="nothing-pending",
    )
    if judged.holds is None:
        return judged.finding(expected=expected, observed=_at_work(forge))
    if wal.problem:
        return judged.finding(
            expected=expected,
            observed=f"the WAL cannot be read: {wal.problem}",
            details=(
                *forge.investigation,
                "a re-run treats it as empty and compiles every blueprint that has no row in the library",
            ),
        )
    ids = f"{', '.join(wal.pending[:_SHOWN])}{f' and {len(wal.pending) - _SHOWN} more' if len(wal.pending) > _SHOWN else ''}"
    still = f"unchanged for {forge.seconds:g} s: the forge is dead or hangs"
    return judged.finding(
        expected=expected,
        observed=f"{len(wal.pending)} pending: {ids}; {still}"
        if wal.pending
        else ("the WAL lists no pending blueprint" if wal.present else "no WAL file"),
        details=forge.investigation,
    )


def nothing_left_behind(forge: Forge) -> Finding:
    """Neither the compiler nor the library left a WAL."""
    expected = "no compiler WAL and no library WAL"
    left = [_left("compiler", forge.compiler), _left("library", forge.library)]
    judged = first_of(
        fail("left-behind", any(left) and not forge.moved),
        unknown("forge-at-work", forge.moved),
        ok="clean",
    )
    if judged.holds is None:
        return judged.finding(expected=expected, observed=_at_work(forge))
    details = [line for line in left if line]
    names = " and ".join(line.split()[0] for line in details)
    if forge.compiler.present:
        details.append(
            "no program reads the compiler's WAL, and a re-run with a complete library does not remove it"
        )
    if forge.library.present:
        details.append(
            "the library replays its WAL at its next start if the artifact exists; otherwise the WAL stays"
        )
    return judged.finding(
        expected=expected,
        observed=f"{names} WAL left, unchanged for {forge.seconds:g} s" if any(left) else "no WAL left",
        details=(*details, *(forge.investigation if any(left) else ())),
    )


def _at_work(forge: Forge) -> str:
    return f"a forge is running: {forge.moved} within {forge.seconds:g} s; run this check again when it has ended"


def _left(whose: str, wal: LeftWal) -> str:
    if not wal.present:
        return ""
    return f"{whose} WAL {wal.path}: {wal.problem or f'blueprint {wal.blueprint}'}"


def library_matches_artifacts(library: Library) -> Finding:
    """Each row of the library has its whole artifact, and each artifact has its row."""
    bad = [b for b in library.blueprints if b.problem]
    known = sum(b.copies for b in library.blueprints) + len(library.orphans)
    details = [f"{b.id} ({b.tier}): {b.problem}" for b in bad[:_SHOWN]]
    details += [f"{path}: artifact without a row" for path in library.orphans[:_SHOWN]]
    more = len(bad) + len(library.orphans) - len(details)
    if more > 0:
        details.append(f"and {more} more")
    if known < library.files or len(library.blueprints) < library.rows:
        details.append(
            f"the evidence has {len(library.blueprints)} of {library.rows} rows, {known} of {library.files} artifacts"
        )
    if bad:
        details.append(
            "deleting the artifact is not enough: the forge never recompiles a blueprint that has a row; delete the row too"
        )
    counted = f"{len(library.blueprints)} rows, {len(bad)} without an intact artifact, {len(library.orphans)} artifacts without a row"
    return first_of(
        fail("library-unreadable", library.problem),
        fail("artifact-bad", bad),
        fail("orphan", library.orphans),
        unknown("no-blueprints", not library.blueprints),
        unknown("part-missing", len(library.blueprints) < library.rows or known < library.files),
        ok="matches",
    ).finding(
        expected="each row of the library has an intact artifact, and each artifact has a row",
        observed=f"{library.path}: {library.problem}" if library.problem else counted,
        details=tuple(details),
    )


def retry_alert_quiet(alert: RetryAlert) -> Finding:
    """Nissa does not alert on compile retries."""
    details = ["alert routes exist only in Nissa's memory: nobody was paged"] if alert.active else []
    if alert.newest is not None:
        details.append(f"newest tezzeret.compile.retry_count: {alert.newest:g}, in entry {alert.entry}")
    value = (
        ""
        if alert.value is None
        else f": {alert.value:g} retries when it fired; routes {', '.join(alert.routes) or 'none'}"
    )
    return first_of(
        fail("alert-active", alert.active),
        unknown("never-published", alert.newest is None or math.isnan(alert.newest)),
        ok="quiet",
    ).finding(
        expected="alert tezzeret_compile_retry_high quiet",
        observed=f"active{value}"
        if alert.active
        else f"quiet, and its metric is {'not published' if alert.newest is None else 'published'}",
        details=tuple(details),
    )

"""Criteria of the PostgreSQL server: role, connections, table health, checksums, WAL archiving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown
from systems.bzzz.database.models import MOST_TABLES, MOST_TRANSACTIONS

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.observation import Bracketed
    from opsverify.model.verdict import Finding
    from systems.bzzz.database.models import (
        Archiving,
        Connections,
        DatabaseHealth,
        DatabaseServer,
        TableHealth,
    )
    from systems.bzzz.limits import BzzzLimits

__all__ = ["archived", "checksums_hold", "in_its_role", "room_for_connections", "same_server", "well_kept"]

_MOST_NAMED = 5
ILL_KEPT = ("too-large", "dead-tuples", "statistics-stale", "long-transaction")
UNARCHIVED = ("archive-off", "no-op-command", "archive-failing", "archive-behind")


def same_server(server: Bracketed[DatabaseServer]) -> Finding:
    """It is one server, and it does not restart during the run."""
    first, last = server.first.identity, server.last.identity
    return first_of(fail("restarted", first != last), ok="same").finding(
        expected="one server that does not restart during the run",
        observed=last if first == last else f"{first}, then {last}",
    )


def in_its_role(server: DatabaseServer) -> Finding:
    """A primary is not in recovery; a standby is."""
    recovering = server.recovering
    judged = first_of(
        fail("in-recovery", recovering and server.role != "standby"),
        fail("not-in-recovery", not recovering and server.role != "primary"),
        ok="right",
    )
    return judged.finding(
        expected=f"a {server.role} (the target's [bzzz.database] role)",
        observed=f"pg_is_in_recovery() is {'true: a standby' if recovering else 'false: a primary'}; {server.identity}",
        details=()
        if judged.holds
        else ("check whether it was promoted, or started with standby.signal or recovery.signal",),
    )


def room_for_connections(connections: Connections, limits: BzzzLimits, *, worse: bool) -> Finding:
    """Connections are left. `worse` judges the high limit, otherwise the range below it."""
    high, limit = limits.connections_high, limits.connections
    share = connections.share
    full, filling = not share < high.value, not share < limit.value
    judged = (
        first_of(fail("nearly-full", full), ok="room")
        if worse
        else first_of(fail("filling", filling and not full), fine("high-judged", full), ok="room")
    )
    holders = tuple(f"{number} connections: {who}" for who, number in connections.holders[:_MOST_NAMED])
    return judged.finding(
        expected=f"below {(high if worse else limit).value:g} % of the connections in use"
        + ("" if worse else f" (from {high.value:g} % on, B-DB-1b judges)"),
        observed=f"{connections.used} of {connections.limit} connections ({share:.0f} %)",
        details=holders,
        limits=(limit.named("connections"), high.named("connections_high")),
    )


def well_kept(health: DatabaseHealth, limits: BzzzLimits) -> Finding:
    """Size, dead tuples, statistics and open transactions are within their limits; tables at fault are named."""
    unsorted = [
        *_too_large(health, limits),
        *(trouble for table in health.tables for trouble in _table_troubles(table, health, limits)),
        *_long_transactions(health, limits),
    ]
    troubles = sorted(unsorted, key=lambda trouble: ILL_KEPT.index(trouble[0]))
    reasons = {reason for reason, _ in troubles}
    sizes = f"database {health.name}: {health.size / 1e9:.2f} GB in {len(health.tables)} tables"
    names = (
        "database_size",
        "dead_tuples",
        "dead_tuples_least",
        "statistics_age",
        "clock_ahead",
        "transaction_age",
    )
    return first_of(
        *(fail(reason, reason in reasons) for reason in ILL_KEPT),
        unknown("no-tables", not health.tables),
        unknown("part-missing", _unlisted(health)),
        ok="kept",
    ).finding(
        expected="size, dead tuples, statistics and open transactions within limits",
        observed=f"{sizes}; {troubles[0][1]}" if troubles else f"{sizes}{_unlisted(health)}",
        details=tuple(message for _, message in troubles),
        limits=tuple(getattr(limits, name).named(name) for name in names),
    )


def _unlisted(health: DatabaseHealth) -> str:
    """How many tables and transactions the server counted but did not list, as text; empty where none."""
    tables, open_ = health.tables_counted, health.transactions_counted
    if len(health.tables) < min(tables, MOST_TABLES) or len(health.transactions) < min(
        open_, MOST_TRANSACTIONS
    ):
        return f"; only {len(health.tables)} of {tables} tables and {len(health.transactions)} of {open_} open transactions were listed"
    return ""


def _too_large(health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    if health.size <= limits.database_size.value * 1e9:
        return []
    return [("too-large", f"larger than {limits.database_size}")]


def _table_troubles(table: TableHealth, health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    troubles, least = [], limits.dead_tuples_least.value
    share = 100 * table.dead / max(1, table.dead + table.live)
    vacuumed = f"last vacuumed {table.vacuumed:%Y-%m-%d %H:%M}Z" if table.vacuumed else "never vacuumed"
    if table.dead >= least and share > limits.dead_tuples.value:
        message = (
            f"{table.name}: {table.dead} of {table.dead + table.live} tuples dead ({share:.0f} %), {vacuumed}"
        )
        troubles.append(("dead-tuples", message))
    age = (health.at - table.analyzed).total_seconds() if table.analyzed else None
    if table.changed >= least and (
        age is None or not -limits.clock_ahead.value <= age <= limits.statistics_age.value
    ):
        analyzed = (
            "never analyzed"
            if age is None
            else f"last analyzed {abs(age) / 86400:.1f} days {'ago' if age >= 0 else 'in the future'}"
        )
        troubles.append(("statistics-stale", f"{table.name}: {table.changed} rows changed, {analyzed}"))
    return troubles


def _long_transactions(health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    return [
        (
            "long-transaction",
            f"transaction of pid {each.pid} ({each.who}, {each.state}) open for {each.seconds:.0f} s: VACUUM cannot remove newer dead tuples",
        )
        for each in health.transactions
        if not each.seconds <= limits.transaction_age.value
    ]


def checksums_hold(health: DatabaseHealth) -> Finding:
    """Data checksums are on, and no page has failed its own."""
    failures = health.checksum_failures
    last = (
        f", the last at {health.last_checksum_failure:%Y-%m-%d %H:%M:%S}Z"
        if failures and health.last_checksum_failure
        else ""
    )
    counted = "checksum_failures is null" if failures is None else f"{failures} checksum failures"
    return first_of(
        fail("checksum-failures", failures),
        fail("checksums-off", not health.checksums),
        unknown("not-counted", failures is None),
        ok="whole",
    ).finding(
        expected="data checksums on, no checksum failure",
        observed=f"data checksums {'on' if health.checksums else 'off: a damaged page goes unnoticed'}; {counted}{last}",
        details=("keep the newest good dump apart now, before backups of damaged pages replace it",)
        if failures
        else (),
    )


def archived(archiving: Archiving, limits: BzzzLimits) -> Finding:
    """WAL is archived by a command that does something, its last attempt succeeded, and it keeps up with the writes."""
    troubles = sorted(_archive_troubles(archiving, limits), key=lambda t: UNARCHIVED.index(t[0]))
    reasons = {reason for reason, _ in troubles}
    judged = first_of(
        *(fail(reason, reason in reasons) for reason in UNARCHIVED),
        unknown("waiting-not-known", archiving.waiting is None),
        unknown("from-the-future", _ahead(archiving, limits)),
        unknown("order-not-known", archiving.last_failed > archiving.last),
        ok="archived",
    )
    last = (
        f"{archiving.last} at {archiving.last_at:%Y-%m-%d %H:%M:%S}Z" if archiving.last_at else "nothing yet"
    )
    well = f"last archived: {last}; {archiving.archived} files in total"
    if archiving.waiting is None:
        well += "; number of segments waiting unknown: the login may not call pg_ls_archive_statusdir(), and the last file archived is no segment"
    return judged.finding(
        expected=f"archive_mode on, archive_command archives, no failure since the last success, no segment waiting more than {limits.archive_age.value:g} s",
        observed=troubles[0][1] if troubles else well,
        details=(
            *(message for _, message in troubles[1:]),
            f"archive_mode {archiving.mode}, archive_command {archiving.command!r}",
            f"last archived: {last}; failed_count {archiving.failed}",
        ),
        limits=(limits.archive_age.named("archive_age"), limits.clock_ahead.named("clock_ahead")),
    )


def _ahead(archiving: Archiving, limits: BzzzLimits) -> list[datetime]:
    """The archiver's times that lie in the future, by the server's own clock."""
    times = (archiving.last_at, archiving.last_failed_at, archiving.waiting_since)
    return [at for at in times if at and at - archiving.at > limits.clock_ahead.duration]


def _archive_troubles(archiving: Archiving, limits: BzzzLimits) -> list[tuple[str, str]]:
    if archiving.mode == "off":
        return [("archive-off", "archive_mode is off: point-in-time recovery is impossible")]
    troubles = []
    if archiving.does_nothing:
        message = (
            f"archive_command {archiving.command!r} archives nothing and reports success to PostgreSQL"
            if archiving.command.strip()
            else "archive_command is empty: WAL is kept in pg_wal until the disk is full"
        )
        troubles.append(("no-op-command", message))
    failed, last = archiving.last_failed_at, archiving.last_at
    if failed is not None and (last is None or failed > last):
        message = (
            f"archive_command has been failing since its last success at {last:%Y-%m-%d %H:%M:%S}Z"
            if last
            else "archive_command has never succeeded"
        )
        message += f": {archiving.last_failed} failed at {failed:%Y-%m-%d %H:%M:%S}Z"
        troubles.append(("archive-failing", message))
    waits = archiving.waiting_since
    age = (archiving.at - waits).total_seconds() if waits else None
    if archiving.waiting and (age is None or age > limits.archive_age.value):
        message = f"{archiving.waiting} finished segments waiting to be archived{'' if age is None else f', the oldest for {age:.0f} s'}; last archived: {f'{last:%Y-%m-%d %H:%M:%S}Z' if last else 'never'}"
        troubles.append(("archive-behind", message))
    return troubles

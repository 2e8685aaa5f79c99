"""What must hold of BZZZ's PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.database import (
        Archiving,
        Connections,
        DatabaseHealth,
        DatabaseServer,
        TableHealth,
    )
    from opsverify.observation import Bracketed

__all__ = ["archived", "checksums_hold", "in_its_role", "room_for_connections", "same_server", "well_kept"]

_MOST_NAMED = 5


def same_server(server: Bracketed[DatabaseServer]) -> Finding:
    """It is one server, and one start of it, from the first look to the last."""
    first, last = server.first.identity, server.last.identity
    return Finding(
        holds=first == last,
        reason="same" if first == last else "restarted",
        expected="one server that does not restart while it is looked at",
        observed=last if first == last else f"{first}, then {last}",
    )


def in_its_role(server: DatabaseServer) -> Finding:
    """A primary is not in recovery; a standby is."""
    now = "standby" if server.recovering else "primary"
    reason = "right" if now == server.role else "in-recovery" if server.recovering else "not-in-recovery"
    return Finding(
        holds=now == server.role,
        reason=reason,
        expected=f"a {server.role} (the target's [bzzz.database] role)",
        observed=f"it {'is in recovery: a standby' if server.recovering else 'takes writes: a primary'}; {server.identity}",
        details=("look whether it was promoted, or started with standby.signal or recovery.signal",)
        if now != server.role
        else (),
    )


def room_for_connections(connections: Connections, limits: BzzzLimits, *, worse: bool) -> Finding:
    """Connections are left. `worse` judges the high limit, otherwise what is below that."""
    high, limit = limits.connections_high, limits.connections
    share = connections.share
    fails = share >= high.value if worse else limit.value <= share < high.value
    holders = tuple(f"{number} of {who}" for who, number in connections.holders[:_MOST_NAMED])
    return Finding(
        holds=not fails,
        reason="room" if not fails else "nearly-full" if worse else "filling",
        expected=f"below {(high if worse else limit).value:g} % of connections in use"
        + ("" if worse else f" (from {high.value:g} % on the P1 check judges)"),
        observed=f"{connections.used} of {connections.limit} ({share:.0f} %)",
        details=holders,
        limits=(limit.named("connections"), high.named("connections_high")),
    )


def well_kept(health: DatabaseHealth, limits: BzzzLimits) -> Finding:
    """Size, dead rows, statistics and open transactions are within their limits; tables at fault are named."""
    troubles = [
        *_too_large(health, limits),
        *(trouble for table in health.tables for trouble in _table_troubles(table, health, limits)),
        *_long_transactions(health, limits),
    ]
    sizes = f"{health.name} has {health.size / 1e9:.2f} GB in {len(health.tables)} tables"
    names = ("database_size", "dead_tuples", "dead_tuples_least", "statistics_age", "transaction_age")
    return Finding(
        holds=not troubles,
        reason=troubles[0][0] if troubles else "kept",
        expected="size, dead rows, statistics and open transactions within limits",
        observed=f"{sizes}; {troubles[0][1]}" if troubles else sizes,
        details=tuple(told for _, told in troubles),
        limits=tuple(getattr(limits, name).named(name) for name in names),
    )


def _too_large(health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    if health.size <= limits.database_size.value * 1e9:
        return []
    return [("too-large", f"it has grown beyond {limits.database_size}")]


def _table_troubles(table: TableHealth, health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    troubles, least = [], limits.dead_tuples_least.value
    share = 100 * table.dead / max(1, table.dead + table.live)
    vacuumed = f"last vacuumed {table.vacuumed:%Y-%m-%d %H:%M}Z" if table.vacuumed else "never vacuumed"
    if table.dead >= least and share > limits.dead_tuples.value:
        told = (
            f"{table.name}: {table.dead} dead of {table.dead + table.live} rows ({share:.0f} %), {vacuumed}"
        )
        troubles.append(("dead-tuples", told))
    age = (health.at - table.analyzed).total_seconds() if table.analyzed else None
    if table.changed >= least and (age is None or age > limits.statistics_age.value):
        analyzed = "never analyzed" if age is None else f"last analyzed {age / 86400:.1f} days ago"
        troubles.append(("statistics-stale", f"{table.name}: {table.changed} rows changed, {analyzed}"))
    return troubles


def _long_transactions(health: DatabaseHealth, limits: BzzzLimits) -> list[tuple[str, str]]:
    return [
        (
            "long-transaction",
            f"pid {each.pid} ({each.who}, {each.state}) for {each.seconds:.0f} s: no vacuum gets past it",
        )
        for each in health.transactions
        if each.seconds > limits.transaction_age.value
    ]


def checksums_hold(health: DatabaseHealth) -> Finding:
    """Pages have checksums, and none was ever wrong."""
    failures = health.checksum_failures or 0
    reason = "checksum-failures" if failures else "whole" if health.checksums else "checksums-off"
    last = (
        f", the last at {health.last_checksum_failure:%Y-%m-%d %H:%M:%S}Z"
        if failures and health.last_checksum_failure
        else ""
    )
    return Finding(
        holds=reason == "whole",
        reason=reason,
        expected="data checksums on, no page that failed its checksum",
        observed=f"checksums {'on' if health.checksums else 'off: a damaged page goes unnoticed'}; {failures} failures{last}",
        details=("take a dump aside now, before backups of the damaged pages replace good ones",)
        if failures
        else (),
    )


def archived(archiving: Archiving, limits: BzzzLimits) -> Finding:
    """WAL is archived by a command that does something, its last try went well, and it keeps up with what is written."""
    troubles = _archive_troubles(archiving, limits)
    last = f"{archiving.last} at {archiving.last_at:%H:%M:%S}Z" if archiving.last_at else "nothing yet"
    return Finding(
        holds=not troubles,
        reason=troubles[0][0] if troubles else "archived",
        expected="archive_mode on, a command that archives, no failure after the last success, nothing waiting long",
        observed=troubles[0][1] if troubles else f"last archived: {last}; {archiving.archived} in all",
        details=(
            *(told for _, told in troubles[1:]),
            f"archive_mode {archiving.mode}, archive_command {archiving.command!r}",
            f"last archived: {last}; failures so far: {archiving.failed}",
        ),
        limits=(limits.archive_age.named("archive_age"),),
    )


def _archive_troubles(archiving: Archiving, limits: BzzzLimits) -> list[tuple[str, str]]:
    if archiving.mode == "off":
        return [("archive-off", "archive_mode is off: no point in time can be recovered")]
    troubles = []
    if archiving.does_nothing:
        told = (
            f"archive_command {archiving.command!r} archives nothing, and tells PostgreSQL that it did"
            if archiving.command.strip()
            else "archive_command is empty: WAL is kept in pg_wal until the disk is full"
        )
        troubles.append(("no-op-command", told))
    failed, last = archiving.last_failed_at, archiving.last_at
    if failed is not None and (last is None or failed > last):
        since = f", none has gone well since {last:%H:%M:%S}Z" if last else ", none has ever gone well"
        told = f"archiving {archiving.last_failed} failed at {failed:%H:%M:%S}Z{since}"
        troubles.append(("archive-failing", told))
    waits = archiving.waiting_since
    age = (archiving.at - waits).total_seconds() if waits else None
    if archiving.waiting and (age is None or age > limits.archive_age.value):
        told = f"{archiving.waiting} finished segments wait{'' if age is None else f', for {age:.0f} s'}; last archived: {f'{last:%Y-%m-%d %H:%M:%S}Z' if last else 'never'}"
        troubles.append(("archive-behind", told))
    return troubles

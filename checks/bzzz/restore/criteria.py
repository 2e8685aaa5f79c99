"""Criteria of restores: the dump loads completely, in time, with its content; and two databases do not differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.restore.models import Account, Restored

__all__ = ["accounted_for", "holds_what_it_should", "newest_backup_restores", "restored_in_time"]

_MOST = 20
REFUSALS = (
    "empty",
    "not-a-dump",
    "cluster-dump",
    "encoding",
    "truncated",
    "corrupt",
    "role-missing",
    "psql-command",
    "dump-error",
    "not-empty",
    "too-slow",
)
"""Reason codes for which a dump itself is refused."""
_REMEDIES = {
    "role-missing": "create the roles first: keep the output of pg_dumpall --globals-only next to the dumps",
    "truncated": "pg_dump or gzip did not finish, or the file was cut while it was copied; take a new dump now",
    "corrupt": "the file changed after it was written: check the disk, and the off-site copy (B-BAK-3)",
    "empty": "pg_dump wrote nothing: run it by hand and read its error",
    "too-slow": "the runbook's 2 h do not hold: use a faster disk, pg_dump -Fc with parallel jobs, or base backups",
    "dump-error": "the server refused the statement above: was pg_dump of another version, or the dump edited?",
    "psql-command": "the dump contains psql commands, which were not run; who wrote it?",
}


def newest_backup_restores(restored: Restored) -> Finding:
    """The newest dump restores completely into an empty database."""
    took = f"loaded in {restored.loaded_s:.1f} s ({_mega(restored.loaded_size)} of SQL), {restored.took_s:.1f} s in total"
    details = [
        f"{restored.dump}: {_mega(restored.size)}, dated {restored.written:%Y-%m-%d %H:%M:%S}Z by its name"
    ]
    if restored.refused:
        details.append(_REMEDIES.get(restored.refused, "restore it by hand, on another server, to see more"))
    elif restored.major:
        details.append(f"taken from PostgreSQL {restored.major}, restored on {restored.server}")
    if restored.roles:
        details.append(
            f"roles created first: {', '.join(restored.roles)} ({restored.roles_file or 'no roles file'})"
        )
    elif restored.refused == "role-missing":
        details.append(
            f"roles file: {restored.roles_file or 'none in the folder (roles_*.sql, globals_*.sql)'}"
        )
    return first_of(
        *(fail(reason, restored.refused == reason) for reason in REFUSALS),
        fail("not-restored", restored.refused),
        ok="restored",
    ).finding(
        expected="the newest dump restores completely into an empty database",
        observed=restored.told if restored.refused else took,
        details=tuple(details),
    )


def restored_in_time(restored: Restored, limits: BzzzLimits) -> Finding:
    """The whole restore takes no longer than a P0 may last."""
    return first_of(fail("too-slow", not restored.took_s <= limits.restore_time.value), ok="in-time").finding(
        expected=f"restored within {limits.restore_time}",
        observed=f"{restored.took_s:.1f} s",
        details=(f"recorded in {restored.record}, for B-MNT-2",) if restored.record else (),
        limits=(limits.restore_time.named("restore_time"),),
    )


def holds_what_it_should(restored: Restored) -> list[Finding]:
    """The restored database has tables with rows, and every validation query of the target is met."""
    largest = sorted(restored.tables.items(), key=lambda item: -item[1])[:_MOST]
    none_asked = (
        "the target has no validation query: add [bzzz.backups.validation] users = {query = …, at_least = …}"
    )
    unasked = [name for name in restored.asked if name not in restored.validated]
    findings = [
        first_of(
            fail("no-rows", not restored.rows > 0), unknown("part-missing", unasked), ok="has-rows"
        ).finding(
            expected="tables with rows in the restored database",
            observed=f"{restored.rows} rows in {len(restored.tables)} tables",
            details=(
                *(f"{name}: {count} rows" for name, count in largest),
                *([] if restored.asked else [none_asked]),
                *(f"{name}: query not run" for name in unasked),
            ),
        )
    ]
    for name, result in restored.validated.items():
        got = result.trouble or ("no row" if result.found is None else f"{result.found:g}")
        findings.append(
            first_of(fail("validation-not-met", not result.met), ok="validated").finding(
                expected=f"{name}: at least {result.at_least:g}",
                observed=f"{name}: {got}",
                evidence=(result.query,),
            )
        )
    return findings


def accounted_for(before: Account, after: Account, what: str, *, ahead: bool = False) -> Finding:
    """Nothing differs between two databases: rows, checksums, owners, sequences, definitions.

    Sequences may be `ahead` after a recovery from WAL: PostgreSQL logs them in steps and never hands a value out twice.
    """
    lost = [*_differences(before, after), *_sequences(before, after, ahead=ahead)]
    return first_of(
        fail("differs", lost), unknown("nothing-to-account", not before.tables), ok="accounted-for"
    ).finding(
        expected=f"{what}: every row, sequence and definition is accounted for",
        observed=f"{len(lost)} differences" if lost else _summary(after),
        details=tuple(lost[:_MOST]),
    )


def _differences(before: Account, after: Account) -> list[str]:
    differences = []
    for name in sorted({*before.tables, *after.tables}):
        was, now = before.tables.get(name), after.tables.get(name)
        if was is None or now is None:
            differences.append(f"table {name} {'is new' if was is None else 'is gone'}")
        elif was.rows != now.rows:
            differences.append(f"table {name} had {was.rows} rows, now has {now.rows}")
        elif was.checksum != now.checksum:
            differences.append(f"table {name}: same {now.rows} rows by count, but another checksum")
        elif was.owner != now.owner:
            differences.append(f"table {name}: owner was {was.owner}, is now {now.owner}")
    olds, news = before.definitions, after.definitions
    return differences + [
        f"{name} was {olds.get(name, 'absent')!r}, is now {news.get(name, 'absent')!r}"
        for name in sorted({*olds, *news})
        if olds.get(name) != news.get(name)
    ]


def _sequences(before: Account, after: Account, *, ahead: bool) -> list[str]:
    """Sequences that went back (they would hand out values twice), or ahead where they may not."""
    differences = []
    for name, was in before.sequences.items():
        now = after.sequences.get(name)
        back = (now or 0) < (was or 0)
        if name in after.sequences and (back or (now != was and not ahead)):
            differences.append(f"sequence {name} was at {was}, is now at {now}")
    return differences


def _summary(account: Account) -> str:
    return (
        f"{account.rows} rows in {len(account.tables)} tables by count and checksum, "
        f"{len(account.sequences)} sequences, {len(account.definitions)} definitions"
    )


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

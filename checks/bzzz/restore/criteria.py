"""What must hold of a restored backup: it is in, in time, and holds what it should; and of two databases: nothing differs."""

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
"""What a dump itself can be refused for."""
_REMEDIES = {
    "role-missing": "roles first: keep the output of pg_dumpall --globals-only beside the dumps",
    "truncated": "pg_dump or gzip did not end, or the file was cut on its way; take a new dump now",
    "corrupt": "bytes were changed after it was written: see the disk, and the off-site copy (B-BAK-3)",
    "empty": "pg_dump wrote nothing: run it by hand and read its error",
    "too-slow": "the runbook's 2 h do not hold: a faster disk, pg_dump -Fc with parallel jobs, or base backups",
    "dump-error": "what the server refused stands above; pg_dump of the same version, or an edited dump?",
    "psql-command": "the dump holds commands of psql that were not run; who wrote it?",
}


def newest_backup_restores(restored: Restored) -> Finding:
    """The newest dump went into an empty database as a whole."""
    took = f"loaded in {restored.loaded_s:.1f} s ({_mega(restored.loaded_size)} of SQL), {restored.took_s:.1f} s in all"
    details = [f"{restored.dump}: {_mega(restored.size)}, of {restored.written:%Y-%m-%d %H:%M:%S}Z by its name"]
    if restored.refused:
        details.append(_REMEDIES.get(restored.refused, "restore it by hand, on another server, to see more"))
    elif restored.major:
        details.append(f"taken from PostgreSQL {restored.major}, restored on {restored.server}")
    if restored.roles:
        details.append(f"roles made first: {', '.join(restored.roles)} ({restored.roles_file or 'no file of roles'})")
    elif restored.refused == "role-missing":
        details.append(
            f"file of roles: {restored.roles_file or 'none in the folder (roles_*.sql, globals_*.sql)'}"
        )
    return first_of(
        *(fail(reason, restored.refused == reason) for reason in REFUSALS),
        fail("not-restored", restored.refused),
        ok="restored",
    ).finding(
        expected="the newest dump goes into an empty database as a whole",
        observed=restored.told if restored.refused else took,
        details=tuple(details),
    )


def restored_in_time(restored: Restored, limits: BzzzLimits) -> Finding:
    """The restore, with everything that it needs, takes no longer than a P0 may last."""
    return first_of(fail("too-slow", not restored.took_s <= limits.restore_time.value), ok="in-time").finding(
        expected=f"restored within {limits.restore_time}",
        observed=f"{restored.took_s:.1f} s",
        details=(f"written down in {restored.record}, for B-MNT-2",) if restored.record else (),
        limits=(limits.restore_time.named("restore_time"),),
    )


def holds_what_it_should(restored: Restored) -> list[Finding]:
    """The restored database has tables with rows, and every validation query of the target is met."""
    largest = sorted(restored.tables.items(), key=lambda item: -item[1])[:_MOST]
    none_asked = (
        "the target asks nothing of it: add [bzzz.backups.validation] users = {query = …, at_least = …}"
    )
    unasked = [name for name in restored.asked if name not in restored.validated]
    findings = [
        first_of(fail("no-rows", not restored.rows > 0), unknown("part-missing", unasked), ok="has-rows").finding(
            expected="tables with rows in the restored database",
            observed=f"{restored.rows} rows in {len(restored.tables)} tables",
            details=(
                *(f"{name}: {count} rows" for name, count in largest),
                *([] if restored.asked else [none_asked]),
                *(f"{name}: its query was not asked" for name in unasked),
            ),
        )
    ]
    for name, asked in restored.validated.items():
        got = asked.trouble or ("no row" if asked.found is None else f"{asked.found:g}")
        findings.append(
            first_of(fail("validation-not-met", not asked.met), ok="validated").finding(
                expected=f"{name}: at least {asked.at_least:g}",
                observed=f"{name}: {got}",
                evidence=(asked.query,),
            )
        )
    return findings


def accounted_for(before: Account, after: Account, what: str, *, ahead: bool = False) -> Finding:
    """Nothing differs between two databases: rows, checksums, owners, sequences, definitions.

    Sequences may be `ahead` after a recovery from WAL: what was drawn from them is never taken back.
    """
    lost = [*_differences(before, after), *_sequences(before, after, ahead=ahead)]
    return first_of(
        fail("differs", lost), unknown("nothing-to-account", not before.tables), ok="accounted-for"
    ).finding(
        expected=f"{what}: every row, sequence and definition is accounted for",
        observed=f"{len(lost)} differences" if lost else _told(after),
        details=tuple(lost[:_MOST]),
    )


def _differences(before: Account, after: Account) -> list[str]:
    differences = []
    for name in sorted({*before.tables, *after.tables}):
        was, now = before.tables.get(name), after.tables.get(name)
        if was is None or now is None:
            differences.append(f"table {name} {'is new' if was is None else 'is gone'}")
        elif was.rows != now.rows:
            differences.append(f"table {name} had {was.rows} rows and has {now.rows}")
        elif was.checksum != now.checksum:
            differences.append(f"table {name} has {now.rows} rows as before, but their checksum differs")
        elif was.owner != now.owner:
            differences.append(f"table {name} was {was.owner}'s and is {now.owner}'s")
    olds, news = before.definitions, after.definitions
    return differences + [
        f"{name} was {olds.get(name, 'not there')!r} and is {news.get(name, 'not there')!r}"
        for name in sorted({*olds, *news})
        if olds.get(name) != news.get(name)
    ]


def _sequences(before: Account, after: Account, *, ahead: bool) -> list[str]:
    """Sequences that have gone back (they would give numbers twice), or on where they may not."""
    differences = []
    for name, was in before.sequences.items():
        now = after.sequences.get(name)
        back = (now or 0) < (was or 0)
        if name in after.sequences and (back or (now != was and not ahead)):
            differences.append(f"sequence {name} was at {was} and is at {now}")
    return differences


def _told(account: Account) -> str:
    return (
        f"{account.rows} rows in {len(account.tables)} tables by count and checksum, "
        f"{len(account.sequences)} sequences, {len(account.definitions)} definitions"
    )


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

"""What must hold of BZZZ's backups."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.backups import (
        BaseBackup,
        Configured,
        DumpFile,
        Dumps,
        Export,
        Newest,
        OffsiteCopy,
        WalArchive,
    )

__all__ = [
    "archive_without_gaps",
    "base_verified",
    "dht_kept",
    "dump_whole",
    "dump_young",
    "export_agrees",
    "export_whole",
    "offsite_same",
    "snapshot_kept",
]

_ZONES = timedelta(hours=14)
"""A name tells its moment in the host's own time, which may be so far from UTC."""
_BEFORE = 7
_AHEAD = "from-the-future"
"""Nobody can tell how old that is: it would stay young for as long as it is ahead, whatever becomes of later ones."""
_MOST_NAMED = 5


def _ago(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours:.1f} h" if age < timedelta(days=2) else f"{hours / 24:.1f} days"


def _shown(dump: DumpFile) -> str:
    return f"{dump.path} ({dump.size} bytes, {dump.written:%Y-%m-%d %H:%M:%S}Z)"


def dump_young(dumps: Dumps, limits: BzzzLimits) -> Finding:
    """There is a finished dump, younger than a day, nothing newer was left uncompressed, and it has not shrunk."""
    reason, told = _dump_trouble(dumps, limits)
    names = ("dump_age", "dump_slack", "dump_shrink", "clock_ahead")
    newest = dumps.newest
    return Finding(
        holds=not reason,
        reason=reason or "young",
        expected="a compressed dump of the last day, none newer left uncompressed, not smaller than those before it",
        observed=told or (f"{_shown(newest)}" if newest else "none"),
        details=tuple(_shown(each) for each in dumps.files[:_MOST_NAMED]),
        limits=tuple(getattr(limits, name).named(name) for name in names),
    )


def _dump_trouble(dumps: Dumps, limits: BzzzLimits) -> tuple[str, str]:
    if dumps.uncompressed:
        left = dumps.uncompressed[0]
        told = f"{_shown(left)} is newer than any compressed one: the two `date` of the runbook's commands gave two names, and gzip found nothing"
        return "uncompressed", told
    newest = dumps.newest
    if newest is None:
        return "no-dump", f"{dumps.folder} holds no finished dump"
    return _age_trouble(dumps, newest, limits) or _size_trouble(dumps, newest, limits) or ("", "")


def _age_trouble(dumps: Dumps, newest: DumpFile, limits: BzzzLimits) -> tuple[str, str] | None:
    allowed = limits.dump_age.duration + limits.dump_slack.duration
    age = dumps.at - newest.written
    if -age > limits.clock_ahead.duration or newest.named - dumps.at > _ZONES:
        told = f"the newest, {_shown(newest)}, is of a time to come: the clock there says {dumps.at:%Y-%m-%d %H:%M:%S}Z"
        return _AHEAD, told
    if age > allowed:
        return "old", f"the newest, {_shown(newest)}, is {_ago(age)} old"
    if dumps.at - newest.named > allowed + _ZONES:
        told = f"the newest is named {newest.named:%Y-%m-%d %H:%M}, and was only written anew since: {_shown(newest)}"
        return "old-by-name", told
    return None


def _size_trouble(dumps: Dumps, newest: DumpFile, limits: BzzzLimits) -> tuple[str, str] | None:
    older = (d for d in dumps.files if d.form == newest.form and d.named < newest.named and d.size)
    before = [each.size for each in older][:_BEFORE]
    usual = sorted(before)[len(before) // 2] if before else 0
    if not 0 < newest.size < usual * (1 - limits.dump_shrink.value / 100):
        return None
    told = f"{_shown(newest)} is {100 - 100 * newest.size / usual:.0f} % smaller than those before it ({usual} bytes)"
    return "shrunk", told


def dump_whole(dumps: Dumps) -> Finding:
    """The newest finished dump can be read to its end, and ends as pg_dump ends it."""
    newest, read = dumps.newest, dumps.read
    if newest is None or read is None:
        return Finding(
            holds=False,
            reason="no-dump",
            expected="a dump that can be read to its end",
            observed=f"{dumps.folder} holds no finished dump",
        )
    made = f", made from PostgreSQL {read.version}" if read.version else ""
    return Finding(
        holds=not read.problem,
        reason=read.problem or "whole",
        expected="readable to its end, with pg_dump's closing line",
        observed=f"{_shown(newest)}{made}: {read.told or 'whole'}",
        details=("take a new dump now, and look at the disk's space and the job's log",)
        if read.problem
        else (),
    )


def base_verified(base: BaseBackup, limits: BzzzLimits) -> Finding:
    """The newest base backup is what its manifest says, and not too old to replay WAL on."""
    age = base.at - base.written
    reason = "verified"
    if base.problem:
        reason = "not-as-its-manifest"
    elif age > limits.base_age.duration:
        reason = "old"
    elif -age > limits.clock_ahead.duration:
        reason = _AHEAD
    return Finding(
        holds=reason == "verified",
        reason=reason,
        expected="a base backup that pg_verifybackup calls verified",
        observed=f"{base.path}, {_ago(age)} old: {base.problem or 'backup successfully verified'}",
        details=("make a new one (runbook: pg_basebackup); without it no point in time can be recovered",)
        if base.problem
        else (),
        limits=(limits.base_age.named("base_age"), limits.clock_ahead.named("clock_ahead")),
    )


def archive_without_gaps(wal: WalArchive) -> Finding:
    """The archive has every segment from the base backup's start on, each of its full size."""
    reason = "gap" if wal.missing_count else "segment-cut" if wal.odd else "whole"
    observed = f"{wal.segments} segments from {wal.first} to {wal.newest or 'none'}"
    if wal.missing_count:
        observed = f"{wal.missing_count} missing: {', '.join(wal.missing)}"
    elif wal.odd:
        observed = f"not of {wal.segment} bytes: {', '.join(wal.odd)}"
    return Finding(
        holds=reason == "whole",
        reason=reason,
        expected=f"every WAL segment since {wal.base}",
        observed=f"{wal.folder}: {observed}",
        details=("recovery ends at the gap: make a new base backup now",) if reason != "whole" else (),
    )


def export_whole(export: Export, limits: BzzzLimits) -> Finding:
    """The export is there, can be read, is younger than a week, and somebody knows where the secrets' payloads are."""
    age = export.at - export.oldest if export.oldest else None
    reason, told = "whole", ""
    if export.absent:
        reason, told = "absent", f"there is no {', no '.join(export.absent)}"
    elif export.problems:
        reason, told = "not-readable", "; ".join(export.problems[:_MOST_NAMED])
    elif age is not None and age > limits.export_age.duration:
        reason, told = "old", f"its oldest file is {_ago(age)} old"
    elif age is not None and -age > limits.clock_ahead.duration:
        reason, told = _AHEAD, f"all of it is of a time to come, the oldest file by {_ago(-age)}"
    elif export.without_payload and not export.payloads:
        names = ", ".join(export.without_payload[:_MOST_NAMED])
        reason = "no-payloads"
        told = f"`docker secret inspect` exports no payload ({names}), and the target does not say where they are kept ([bzzz.backups] payloads)"
    counted = f"{len(export.secrets)} secrets, {len(export.configs)} configs, {len(export.services)} services"
    kept = f"; payloads of secrets: {export.payloads}" if export.payloads else ""
    return Finding(
        holds=reason == "whole",
        reason=reason,
        expected="secrets, configs with their payload and service definitions, all readable, of the last week",
        observed=f"{export.folder}: {told or counted + kept}",
        details=tuple(export.problems[:_MOST_NAMED]),
        limits=(limits.export_age.named("export_age"), limits.clock_ahead.named("clock_ahead")),
    )


def export_agrees(export: Export, now: Configured) -> Finding:
    """The export holds what the manager has now: nothing was added or changed since."""
    troubles = [
        *_names("secret", set(now.secrets), set(export.secrets)),
        *_names("config", set(now.configs), set(export.configs)),
        *_names("service", set(now.services), set(export.services)),
        *(
            ("changed-since", f"config {name} has another payload now")
            for name, digest in sorted(now.configs.items())
            if export.configs.get(name, digest) != digest
        ),
        *(
            (
                "changed-since",
                f"service {name} was exported with {old.image}, {old.replicas} tasks, and has {new.image}, {new.replicas} tasks",
            )
            for name, new in sorted(now.services.items())
            if (old := export.services.get(name, new)) != new
        ),
    ]
    return Finding(
        holds=not troubles,
        reason=troubles[0][0] if troubles else "agrees",
        expected="an export newer than the newest change (runbook: immediately after changes)",
        observed=troubles[0][1]
        if troubles
        else f"all of {len(now.secrets)} secrets, {len(now.configs)} configs, {len(now.services)} services",
        details=tuple(told for _, told in troubles[:20]),
    )


def _names(kind: str, there: set[str], exported: set[str]) -> list[tuple[str, str]]:
    return [("incomplete", f"{kind} {name} is not in the export") for name in sorted(there - exported)]


def offsite_same(copy: OffsiteCopy) -> Finding:
    """The newest dump has an off-site copy of the same size and checksum."""
    reason = (
        "missing"
        if copy.there is None
        else "size-differs"
        if copy.there != copy.size
        else "content-differs"
        if copy.digest != copy.digest_there
        else "same"
    )
    known = (("here", copy.how), ("off-site", copy.how_there))
    there = "is not there" if copy.there is None else f"{copy.there} bytes, sha256 {copy.digest_there[:16]}…"
    return Finding(
        holds=reason == "same",
        reason=reason,
        expected=f"{copy.name}: {copy.size} bytes, sha256 {copy.digest[:16]}…",
        observed=f"{copy.place}: {there}",
        details=tuple(f"sha256 {which}: {how}" for which, how in known if how),
    )


def dht_kept(newest: Newest, limits: BzzzLimits) -> Finding:
    """The DHT's content has a recent copy, or the target declares that replication alone keeps it."""
    if newest.declared:
        return Finding(
            holds=True,
            reason="replication-only",
            expected="a copy, or the target's word that replication alone keeps it",
            observed=f"declared: {newest.declared}",
        )
    return _kept(newest, limits, "dht_age", "a copy of the DHT's content")


def snapshot_kept(newest: Newest, limits: BzzzLimits) -> Finding:
    """A Prometheus snapshot is recent, under the name that Prometheus gave it."""
    found = _kept(newest, limits, "snapshot_age", "a Prometheus snapshot")
    if not found.holds or newest.name != "latest":
        return found
    told = "the newest is called `latest`, which Prometheus never makes: docker cp has copied something else, or nothing"
    return found.model_copy(update={"holds": False, "reason": "named-latest", "observed": told})


def _kept(newest: Newest, limits: BzzzLimits, limit: str, what: str) -> Finding:
    allowed = getattr(limits, limit)
    age = newest.at - newest.written if newest.written else None
    reason = "kept"
    if age is None:
        reason = "none"
    elif newest.size == 0:
        reason = "empty"
    elif newest.problem:
        reason = "damaged"
    elif age > allowed.duration:
        reason = "old"
    elif -age > limits.clock_ahead.duration:
        reason = _AHEAD
    told = (
        f"{newest.folder}/{newest.name}, {_ago(age)} old, {newest.size} bytes"
        if age is not None
        else f"{newest.folder} holds none"
    )
    return Finding(
        holds=reason == "kept",
        reason=reason,
        expected=f"{what} that is no older than {_ago(allowed.duration)}",
        observed=f"{told}: {newest.problem}" if newest.problem else told,
        limits=(allowed.named(limit), limits.clock_ahead.named("clock_ahead")),
    )

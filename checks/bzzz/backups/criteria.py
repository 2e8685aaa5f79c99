"""Criteria of backups: dumps, base backup, WAL archive, configuration export, off-site copy, DHT copy, snapshot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from opsverify.model.ladder import fail, first_of, unknown
from systems.bzzz.backups.dumps import uncompressed_since
from systems.bzzz.backups.models import KINDS, MOST_LISTED

if TYPE_CHECKING:
    from opsverify.model.limits import Limit
    from opsverify.model.verdict import Finding
    from systems.bzzz.backups.models import (
        BaseBackup,
        Configured,
        DumpFile,
        Dumps,
        Export,
        NewestFile,
        OffsiteCopy,
        WalArchive,
    )
    from systems.bzzz.limits import BzzzLimits

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
"""A dump's name carries the host's local time, at most this far from UTC."""
_BEFORE = 7
_MOST_NAMED = 5
# A dump dated in the future would look young until then, even if no later one is ever made: it is FAIL.
UNFIT = ("uncompressed", "no-dump", "from-the-future", "old", "old-by-name", "shrunk")
Unfit = Literal["uncompressed", "no-dump", "from-the-future", "old", "old-by-name", "shrunk"]
DAMAGE = ("no-dump", "empty", "damaged", "truncated", "trailing-garbage", "no-closing-line")


def _span(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours:.1f} h" if age < timedelta(days=2) else f"{hours / 24:.1f} days"


def _old(age: timedelta) -> str:
    return f"{_span(age)} old" if age >= timedelta(0) else f"dated {_span(-age)} in the future"


def _shown(dump: DumpFile) -> str:
    return f"{dump.path} ({dump.size} bytes, {dump.written:%Y-%m-%d %H:%M:%S}Z)"


def dump_young(dumps: Dumps, limits: BzzzLimits) -> Finding:
    """There is a finished dump, younger than a day, none newer was left uncompressed, and it has not shrunk."""
    reason, message = _dump_trouble(dumps, limits)
    names = ("dump_age", "dump_slack", "dump_shrink", "clock_ahead")
    newest = dumps.newest
    return first_of(
        *(fail(each, reason == each) for each in UNFIT),
        unknown("part-missing", _unlisted(dumps)),
        ok="young",
    ).finding(
        expected="a compressed dump from the last day, no newer uncompressed one, not smaller than the dumps before it",
        observed=message or (f"{_shown(newest)}" if newest else "none"),
        details=tuple(_shown(each) for each in dumps.files[:_MOST_NAMED]),
        limits=tuple(getattr(limits, name).named(name) for name in names),
    )


def _unlisted(dumps: Dumps) -> bool:
    """Whether older dumps are missing in the list, so that the newest cannot be compared with them."""
    return dumps.newest not in dumps.files or len(dumps.files) < min(dumps.count, MOST_LISTED)


def _dump_trouble(dumps: Dumps, limits: BzzzLimits) -> tuple[Unfit | None, str]:
    newest = dumps.newest
    if plain := dumps.uncompressed or uncompressed_since(dumps.files, newest):
        left = plain[0]
        message = f"{_shown(left)} is newer than any compressed dump: the runbook's two `date` calls gave two names, so gzip did not find the dump"
        return "uncompressed", message
    if newest is None:
        return "no-dump", f"no finished dump in {dumps.folder}"
    return _age_trouble(dumps, newest, limits) or _size_trouble(dumps, newest, limits) or (None, "")


def _age_trouble(dumps: Dumps, newest: DumpFile, limits: BzzzLimits) -> tuple[Unfit, str] | None:
    allowed = limits.dump_age.duration + limits.dump_slack.duration
    age = dumps.at - newest.written
    ahead = max(each.named for each in (newest, *dumps.files)) - dumps.at
    if -age > limits.clock_ahead.duration or ahead > _ZONES:
        message = (
            f"newest dump {_shown(newest)} is dated in the future (host clock {dumps.at:%Y-%m-%d %H:%M:%S}Z)"
        )
        return "from-the-future", message
    if age > allowed:
        return "old", f"newest dump {_shown(newest)} is {_span(age)} old"
    if dumps.at - newest.named > allowed + _ZONES:
        message = f"newest dump is named {newest.named:%Y-%m-%d %H:%M}, but its file was rewritten later: {_shown(newest)}"
        return "old-by-name", message
    return None


def _size_trouble(dumps: Dumps, newest: DumpFile, limits: BzzzLimits) -> tuple[Unfit, str] | None:
    older = (d for d in dumps.files if d.form == newest.form and d.named < newest.named and d.size)
    before = [each.size for each in older][:_BEFORE]
    usual = sorted(before)[len(before) // 2] if before else 0
    if not 0 < newest.size < usual * (1 - limits.dump_shrink.value / 100):
        return None
    message = f"{_shown(newest)} is {100 - 100 * newest.size / usual:.0f} % smaller than the dumps before it (median {usual} bytes)"
    return "shrunk", message


def dump_whole(dumps: Dumps) -> Finding:
    """The newest finished dump can be read to its end, and ends with pg_dump's closing line."""
    newest, read = dumps.newest, dumps.read
    problem = "no-dump" if newest is None or read is None else read.problem
    made = f", from PostgreSQL {read.version}" if read and read.version else ""
    whole = f"{_shown(newest)}{made}: {read.told or 'complete'}" if newest and read else ""
    return first_of(
        *(fail(each, problem == each) for each in DAMAGE), fail("damaged", problem), ok="whole"
    ).finding(
        expected="newest dump readable to its end, with pg_dump's closing line",
        observed=whole or f"no finished dump in {dumps.folder}",
        details=("take a new dump now; check free disk space and the backup job's log",) if problem else (),
    )


def base_verified(base: BaseBackup, limits: BzzzLimits) -> Finding:
    """The newest base backup matches its manifest, and is not too old to replay WAL on."""
    age = base.at - base.written
    return first_of(
        fail("not-as-its-manifest", base.problem),
        fail("old", age > limits.base_age.duration),
        fail("from-the-future", -age > limits.clock_ahead.duration),
        ok="verified",
    ).finding(
        expected=f"a base backup at most {_span(limits.base_age.duration)} old that pg_verifybackup verifies",
        observed=f"{base.path}, {_old(age)}: {base.problem or 'backup successfully verified'}",
        details=("take a new one (runbook: pg_basebackup); without it point-in-time recovery is impossible",)
        if base.problem
        else (),
        limits=(limits.base_age.named("base_age"), limits.clock_ahead.named("clock_ahead")),
    )


def archive_without_gaps(wal: WalArchive) -> Finding:
    """The archive has every segment from the base backup's start on, each of its full size."""
    observed = f"{wal.segments} segments from {wal.first} to {wal.newest or 'none'}"
    if wal.missing_count:
        observed = f"{wal.missing_count} missing from the archive: {', '.join(wal.missing)}"
    elif wal.odd_count:
        observed = f"{wal.odd_count} of wrong size (not {wal.segment} bytes): {', '.join(wal.odd)}"
    judged = first_of(
        fail("gap", wal.missing_count),
        fail("segment-cut", wal.odd_count),
        unknown("no-segment", not wal.segments > 0),
        ok="whole",
    )
    return judged.finding(
        expected=f"every WAL segment since the base backup {wal.base}",
        observed=f"{wal.folder}: {observed}",
        details=("recovery stops at the gap: take a new base backup now",) if judged.holds is False else (),
    )


def export_whole(export: Export, limits: BzzzLimits) -> Finding:
    """The export is complete, readable, younger than a week, and the target says where the secrets' payloads are."""
    age = export.at - export.oldest if export.oldest else None
    held = (*export.secrets, *export.configs, *export.services)
    lacking = [kind for kind in KINDS if kind not in export.there]
    judged = first_of(
        fail("absent", export.absent or lacking),
        fail("not-readable", export.problems or export.read < export.files),
        fail("old", age is not None and age > limits.export_age.duration),
        fail("from-the-future", age is not None and -age > limits.clock_ahead.duration),
        fail("no-payloads", export.without_payload and not export.payloads),
        unknown("not-dated", age is None),
        unknown("nothing-exported", not held),
        ok="whole",
    )
    counted = f"{len(export.secrets)} secrets, {len(export.configs)} configs, {len(export.services)} services"
    kept = f"; secret payloads kept in {export.payloads}" if export.payloads else ""
    names = ", ".join(export.without_payload[:_MOST_NAMED])
    texts = {
        "absent": f"missing: {', '.join(export.absent or lacking)}",
        "not-readable": "; ".join(export.problems[:_MOST_NAMED])
        or f"{export.files - export.read} of {export.files} files not readable",
        "old": f"oldest file is {_span(age)} old" if age else "",
        "from-the-future": f"all files are dated in the future, the oldest by {_span(-age)}" if age else "",
        "no-payloads": f"no payload of {names}: `docker secret inspect` prints none, and the target does not say where they are kept; add [bzzz.backups] payloads",
        "not-dated": f"age unknown; {counted}",
    }
    return judged.finding(
        expected="secrets, configs with payload, and service definitions, all readable, from the last week",
        observed=f"{export.folder}: {texts.get(judged.reason) or counted + kept}",
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
            ("changed-since", f"config {name} has another payload now than in the export")
            for name, digest in sorted(now.configs.items())
            if export.configs.get(name, digest) != digest
        ),
        *(
            (
                "changed-since",
                f"service {name}: exported with image {old.image}, {old.replicas} replicas; now {new.image}, {new.replicas} replicas",
            )
            for name, new in sorted(now.services.items())
            if (old := export.services.get(name, new)) != new
        ),
    ]
    reasons = {reason for reason, _ in troubles}
    there = {*now.secrets, *now.configs}
    hidden = [
        f"service {name}: the manager does not list {', '.join(sorted(lost)) or 'the service itself'}"
        for name, used in now.used.items()
        if (lost := set(used) - there) or name not in now.services
    ]
    return first_of(
        fail("incomplete", "incomplete" in reasons),
        fail("changed-since", "changed-since" in reasons),
        unknown("nothing-there", not now.services),
        unknown("part-missing", hidden),
        ok="agrees",
    ).finding(
        expected="the export matches what the manager has now (runbook: export immediately after changes)",
        observed=troubles[0][1]
        if troubles
        else "; ".join(hidden[:_MOST_NAMED])
        or f"all of {len(now.secrets)} secrets, {len(now.configs)} configs, {len(now.services)} services",
        details=(*(message for _, message in troubles[:20]), *hidden[:20]),
    )


def _names(kind: str, there: set[str], exported: set[str]) -> list[tuple[str, str]]:
    return [("incomplete", f"{kind} {name} is not in the export") for name in sorted(there - exported)]


def offsite_same(copy: OffsiteCopy) -> Finding:
    """The newest dump has an off-site copy of the same size and checksum."""
    known = (("here", copy.how), ("off-site", copy.how_there))
    there = "no such file" if copy.there is None else f"{copy.there} bytes, sha256 {copy.digest_there[:16]}…"
    return first_of(
        fail("missing", copy.there is None),
        fail("size-differs", copy.there != copy.size),
        fail("content-differs", copy.digest != copy.digest_there),
        unknown("no-digest", not copy.digest),
        ok="same",
    ).finding(
        expected=f"{copy.name}: {copy.size} bytes, sha256 {copy.digest[:16]}…",
        observed=f"{copy.place}: {there}",
        details=tuple(f"sha256 {which}: {how}" for which, how in known if how),
    )


def dht_kept(newest: NewestFile, limits: BzzzLimits) -> Finding:
    """The DHT's content has a recent copy, or the target declares that replication alone keeps it."""
    if newest.declared:
        return first_of(ok="replication-only").finding(
            expected="a copy of the DHT's content, or dht_replication_only in the target",
            observed=f"dht_replication_only: {newest.declared}",
        )
    return _kept(newest, limits, ("dht_age", limits.dht_age), "a copy of the DHT's content")


def snapshot_kept(newest: NewestFile, limits: BzzzLimits) -> Finding:
    """A Prometheus snapshot is recent, under the name that Prometheus gave it."""
    named = newest.name == "latest"
    return _kept(
        newest, limits, ("snapshot_age", limits.snapshot_age), "a Prometheus snapshot", named_latest=named
    )


def _kept(
    newest: NewestFile,
    limits: BzzzLimits,
    allowed: tuple[str, Limit],
    what: str,
    *,
    named_latest: bool = False,
) -> Finding:
    name, most = allowed
    age = newest.at - newest.written if newest.written else None
    judged = first_of(
        fail("none", age is None or newest.name is None),
        fail("empty", newest.size == 0),
        fail("damaged", newest.problem),
        fail("old", age is not None and age > most.duration),
        fail("from-the-future", age is not None and -age > limits.clock_ahead.duration),
        fail("named-latest", named_latest),
        ok="kept",
    )
    text = (
        f"{newest.folder}/{newest.name}, {_old(age)}, {newest.size} bytes"
        if age is not None and newest.name
        else f"nothing in {newest.folder}"
    )
    if judged.reason == "named-latest":
        text = "the newest snapshot is named `latest`, a name that Prometheus never gives: docker cp copied something else, or nothing"
    return judged.finding(
        expected=f"{what}, at most {_span(most.duration)} old",
        observed=f"{text}: {newest.problem}" if newest.problem else text,
        limits=(most.named(name), limits.clock_ahead.named("clock_ahead")),
    )

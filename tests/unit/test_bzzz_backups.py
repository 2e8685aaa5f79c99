"""The rules of backups at their boundaries: dumps, base backup, WAL, off-site copy, what else is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.backups import criteria as backups
from opsverify.model.verdict import Finding
from opsverify.probes.host import FileEntry, Listing
from systems.bzzz.backups.dumps import dump_files, just_written, newest_dump, uncompressed_since
from systems.bzzz.backups.models import (
    BaseBackup,
    DumpFile,
    DumpRead,
    Dumps,
    NewestFile,
    OffsiteCopy,
    WalArchive,
)
from systems.bzzz.limits import BzzzLimits

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AHEAD = LIMITS.clock_ahead.duration
A_BIT = timedelta(seconds=1)
ENDINGS = {"gzip": ".sql.gz", "plain": ".sql", "custom": ".dump"}


def dump(before: timedelta = HOUR, size: int = 1000, form: str = "gzip", **changes: Any) -> DumpFile:
    """A dump of so long ago by its name and by its time."""
    named = NOW - before
    path = f"/b/bzzz_{named:%Y%m%d_%H%M%S}{ENDINGS[form]}"
    whole = {"path": path, "form": form, "named": named, "written": named, "size": size}
    return DumpFile.model_validate(whole | changes)


def young(*files: DumpFile, **changes: Any) -> Finding:
    """What is judged of a folder with these dumps, by the name of the newest."""
    ordered = tuple(sorted(files, key=lambda each: each.named, reverse=True))
    newest = newest_dump(ordered)
    seen = Dumps(
        folder="/b", at=NOW, files=ordered, count=len(ordered), newest=newest, read=None,
        uncompressed=uncompressed_since(ordered, newest),
    )  # fmt: skip
    return backups.dump_young(seen.model_copy(update=changes), LIMITS)


AGES = [
    (dump(timedelta(0)), "young"),
    (dump(25 * HOUR - A_BIT), "young"),
    (dump(25 * HOUR), "young"),
    (dump(25 * HOUR + A_BIT), "old"),
    # The host's own time zone may be 14 hours off ours, to either side.
    (dump(39 * HOUR, written=NOW - HOUR), "young"),
    (dump(39 * HOUR + A_BIT, written=NOW - HOUR), "old-by-name"),
    (dump(-14 * HOUR, written=NOW), "young"),
    (dump(-14 * HOUR - A_BIT, written=NOW), "from-the-future"),
    (dump(HOUR, written=NOW + AHEAD), "young"),
    (dump(HOUR, written=NOW + AHEAD + A_BIT), "from-the-future"),
    (dump(form="custom"), "young"),
    (dump(form="plain"), "uncompressed"),
    (dump(size=0), "young"),  # that it is empty says the check that reads it
]


@pytest.mark.parametrize(("only", "reason"), AGES)
def test_a_dump_is_of_the_last_day_by_its_time_and_by_its_name(only: DumpFile, reason: str) -> None:
    """Older than a day and its slack fails; so does one that was only touched, and one of a time to come."""
    found = young(only)
    assert (found.holds, found.reason) == (reason == "young", reason)


def test_no_dump_is_no_young_dump() -> None:
    """An empty folder fails, both for there being one and for its being whole."""
    assert (young().holds, young().reason) == (False, "no-dump")
    none = Dumps(folder="/b", at=NOW, files=(), count=0, newest=None, read=None, uncompressed=())
    assert backups.dump_whole(none).reason == "no-dump"


def test_a_dump_of_the_year_2099_does_not_hide_that_none_is_made_any_more() -> None:
    """A dump of a time to come fails also beside a young one, which it hides: it would be the newest for years."""
    later = dump(timedelta(days=-9999))
    found = young(dump(), later)
    assert (found.reason, later.path in found.observed) == ("from-the-future", True)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((dump(HOUR), dump(2 * HOUR, form="plain")), "young"),
        ((dump(2 * HOUR), dump(HOUR, form="plain")), "uncompressed"),
        ((dump(HOUR), dump(HOUR, form="plain")), "young"),
        ((dump(50 * HOUR), dump(HOUR, form="plain")), "uncompressed"),
    ],
)
def test_an_uncompressed_dump_counts_only_if_it_is_newer(files: tuple[DumpFile, ...], reason: str) -> None:
    """The runbook's two `date` calls leave a plain dump that is newer than any compressed one; an older one is no harm."""
    assert young(*files).reason == reason


@pytest.mark.parametrize(
    ("files", "changes", "holds", "reason"),
    [
        ((dump(), dump(DAY)), {"count": 3}, None, "part-missing"),
        ((dump(), dump(DAY)), {"count": 2}, True, "young"),
        (tuple(dump(HOUR + n * DAY) for n in range(20)), {"count": 400}, True, "young"),
        ((dump(), dump(DAY)), {"files": (dump(DAY),)}, None, "part-missing"),
        ((dump(),), {"files": ()}, None, "part-missing"),
        ((dump(50 * HOUR),), {"files": ()}, False, "old"),
        ((dump(2 * HOUR), dump(HOUR, form="plain")), {"uncompressed": ()}, False, "uncompressed"),
        ((dump(2 * HOUR),), {"files": (dump(2 * HOUR), dump(-DAY))}, False, "from-the-future"),
    ],
)
def test_a_dump_that_is_not_listed_measures_nothing(
    files: tuple[DumpFile, ...], changes: dict[str, Any], reason: str, *, holds: bool | None
) -> None:
    """Of a part of the folder nobody knows whether the newest has shrunk; what is wrong with it is known all the same."""
    found = young(*files, **changes)
    assert (found.holds, found.reason) == (holds, reason)


def sized(newest: int, *before: int, form: str = "gzip") -> str:
    """What is judged of a dump of this size after others, newest first."""
    older = [dump(HOUR + n * DAY, size, form) for n, size in enumerate(before, 1)]
    return young(dump(HOUR, newest), *older).reason


def test_a_dump_is_measured_by_those_before_it() -> None:
    """A fifth smaller than the median of up to seven dumps of its form is the limit; none, empty ones and others do not count."""
    assert sized(1) == "young"
    assert sized(801, 1000) == "young"
    assert sized(800, 1000) == "young"
    assert sized(799, 1000) == "shrunk"
    assert sized(1, 1000) == "shrunk"
    assert sized(1500, 1000, 2000) == "shrunk"  # the dump itself is none of those before it
    assert sized(10, 0, 0) == "young"
    assert sized(799, 0, 1000, 0) == "shrunk"
    assert sized(10, 1000, form="custom") == "young"
    assert sized(1000, 1000, 9_000_000, 1000) == "young"
    assert sized(799, 10, 1000, 1000) == "shrunk"
    assert sized(100, *[100] * 7, *[9000] * 9) == "young"
    assert sized(9_000_000, 1000) == "young"
    assert sized(0, 1000) == "young"  # see B-BAK-1's other half


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**12), max_size=12))
def test_sizes_never_break_the_rule(newest: int, before: list[int]) -> None:
    """Whatever the sizes, a dump is young or shrunk; one that is no smaller than any before it is never shrunk."""
    reason = sized(newest, *before)
    assert reason in {"young", "shrunk"}
    if newest >= max(before, default=0):
        assert reason == "young"


def test_each_way_that_a_dump_can_be_unfit_has_its_place_on_the_ladder() -> None:
    """No trouble that is found, or read of a dump, is left out of the ladder, where it would pass."""
    assert set(backups.UNFIT) == set(get_args(backups.Unfit))
    assert set(backups.DAMAGE) | {""} == set(get_args(DumpRead.model_fields["problem"].annotation))


@pytest.mark.parametrize(
    "problem", ["", "empty", "damaged", "truncated", "trailing-garbage", "no-closing-line", "no-dump"]
)
def test_a_dump_is_whole_or_says_why_not(problem: str) -> None:
    """The reason is what reading it to its end came to."""
    read = DumpRead.model_validate({"problem": problem, "told": "so", "version": "15.18"})
    seen = Dumps(folder="/b", at=NOW, files=(), count=1, newest=dump(), read=read, uncompressed=())
    found = backups.dump_whole(seen)
    assert (found.holds, found.reason) == (not problem, problem or "whole")
    assert "PostgreSQL 15.18" in found.observed
    unread = backups.dump_whole(seen.model_copy(update={"read": None}))
    assert (unread.holds, unread.reason) == (False, "no-dump")


def entry(name: str, **changes: Any) -> FileEntry:
    """A file in the folder."""
    given: dict[str, Any] = {
        "name": name,
        "folder": False,
        "regular": True,
        "size": 9,
        "written": NOW,
    } | changes
    return FileEntry(**given)


NAMES = st.one_of(
    st.text(max_size=40),
    st.builds(
        "bzzz_{}_{}{}".format,
        st.from_regex(r"[0-9]{7,9}", fullmatch=True),
        st.from_regex(r"[0-9]{6}", fullmatch=True),
        st.sampled_from([".sql.gz", ".sql", ".dump", ".sql.gz.part", "", "\n.sql.gz", ".sql.gz\x1b[2J"]),
    ),
)
ENTRIES = st.builds(
    FileEntry,
    name=NAMES,
    folder=st.booleans(),
    regular=st.booleans(),
    size=st.integers(0, 10**15),
    written=st.datetimes(timezones=st.just(UTC)),
)


@given(st.lists(ENTRIES, max_size=20), st.text(max_size=5))
def test_any_folder_has_its_dumps(entries: list[FileEntry], prefix: str) -> None:
    """Whatever lies in a folder, only regular files of a dump's whole name are dumps, newest first by that name."""
    for chosen in ("bzzz_", prefix):
        found = dump_files(Listing("/b", NOW, tuple(entries)), chosen)
        assert [each.named for each in found] == sorted((each.named for each in found), reverse=True)
        regular = {f"/b/{each.name}" for each in entries if each.regular}
        assert all(each.path in regular and each.path.isprintable() for each in found if chosen == "bzzz_")
        newest = newest_dump(found)
        assert all(each.named > newest.named for each in uncompressed_since(found, newest) if newest)


def test_two_dumps_of_one_second_are_both_there() -> None:
    """Of two dumps of one second one is the newest, always the same one; a plain one of that second is not newer."""
    names = [f"bzzz_20260131_020000{ending}" for ending in ENDINGS.values()]
    chosen = set()
    for order in (names, names[::-1]):
        found = dump_files(Listing("/b/", NOW, tuple(map(entry, order))), "bzzz_")
        newest = newest_dump(found)
        assert newest is not None
        assert uncompressed_since(found, newest) == ()
        chosen.add(newest.path)
    assert chosen == {"/b/bzzz_20260131_020000.sql.gz"}


def test_names_that_are_no_time_are_no_dumps() -> None:
    """The 31st of February, other prefixes, other endings and what is not a regular file are left out."""
    names = ["bzzz_20260231_020000.sql.gz", "xbzzz_20260131_020000.sql.gz", "bzzz_20260131_020000.sql.gz.gpg"]
    folder = entry("bzzz_20260131_020000.sql.gz", folder=True, regular=False)
    assert dump_files(Listing("/b", NOW, (*map(entry, names), folder)), "bzzz_") == ()


def test_what_is_of_a_time_to_come_is_not_being_written() -> None:
    """A minute before and after now a dump may still be written; after that it is what it is, for good."""
    minute = timedelta(minutes=1)
    cases = {minute - A_BIT: True, minute: False, A_BIT - minute: True, -minute: False, -DAY: False}
    assert {before: just_written(dump(before).written, NOW) for before in cases} == cases


@pytest.mark.parametrize(
    ("before", "problem", "reason"),
    [
        (timedelta(days=31) - A_BIT, "", "verified"),
        (timedelta(days=31), "", "verified"),
        (timedelta(days=31) + A_BIT, "", "old"),
        (-AHEAD, "", "verified"),
        (-AHEAD - A_BIT, "", "from-the-future"),
        (HOUR, "checksum mismatch", "not-as-its-manifest"),
        (timedelta(days=99), "checksum mismatch", "not-as-its-manifest"),
    ],
)
def test_a_base_backup_is_verified_and_of_the_last_month(
    before: timedelta, problem: str, reason: str
) -> None:
    """What its manifest says goes before its age."""
    found = backups.base_verified(
        BaseBackup(path="/base", at=NOW, written=NOW - before, problem=problem), LIMITS
    )
    assert (found.holds, found.reason) == (reason == "verified", reason)


@pytest.mark.parametrize(
    ("missing", "count", "odd", "reason"),
    [
        ((), 0, (), "whole"),
        (("A",), 900, ("B: 1 bytes",), "gap"),
        ((), 0, ("B: 1 bytes",), "segment-cut"),
        ((), 0, (), "no-segment"),
    ],
)
def test_a_gap_goes_before_a_cut_segment(
    missing: tuple[str, ...], count: int, odd: tuple[str, ...], reason: str
) -> None:
    """Recovery ends at the gap; what is missing is counted, and the first of it named."""
    seen = WalArchive(
        folder="/wal", base="/base", segment=1 << 24, first="0", newest="9", segments=0 if reason == "no-segment" else 9,
        missing=missing, missing_count=count, odd=odd, odd_count=len(odd),
    )  # fmt: skip
    found = backups.archive_without_gaps(seen)
    assert (found.holds, found.reason) == (None if reason == "no-segment" else reason == "whole", reason)
    assert reason != "gap" or found.observed == "/wal: 900 missing from the archive: A"
    one = backups.archive_without_gaps(seen.model_copy(update={"segments": seen.segments and 1}))
    assert one.reason == reason
    cut = backups.archive_without_gaps(seen.model_copy(update={"odd": (), "odd_count": 1}))
    assert cut.reason == ("gap" if count else "segment-cut")


@pytest.mark.parametrize(
    ("there", "digest", "reason"),
    [(9, "a", "same"), (None, "", "missing"), (8, "a", "size-differs"), (0, "b", "size-differs"), (9, "b", "content-differs")],
)  # fmt: skip
def test_the_copy_has_size_and_checksum(there: int | None, digest: str, reason: str) -> None:
    """Missing, of another size and of another content are told apart; two checksums that nobody knows are not the same."""
    seen = OffsiteCopy(name="d", size=9, digest="a", place="p", there=there, digest_there=digest)
    found = backups.offsite_same(seen)
    assert (found.holds, found.reason) == (reason == "same", reason)
    unknown = backups.offsite_same(seen.model_copy(update={"digest": "", "digest_there": "", "there": 9}))
    assert (unknown.holds, unknown.reason) == (None, "no-digest")


WEEK = 8 * DAY
KEPT = [
    ({}, "kept"),
    ({"name": None, "written": None, "size": 0}, "none"),
    ({"name": None}, "none"),
    ({"size": 0}, "empty"),
    ({"problem": "gzip: unexpected end of file"}, "damaged"),
    ({"written": NOW - WEEK + A_BIT}, "kept"),
    ({"written": NOW - WEEK}, "kept"),
    ({"written": NOW - WEEK - A_BIT}, "old"),
    ({"written": NOW + AHEAD}, "kept"),
    ({"written": NOW + AHEAD + A_BIT}, "from-the-future"),
]


@pytest.mark.parametrize(("change", "reason"), KEPT)
def test_the_newest_copy_is_there_whole_and_young(change: dict[str, Any], reason: str) -> None:
    """DHT copies and snapshots are judged alike; only a snapshot must not be called `latest`."""
    seen = NewestFile.model_validate(
        {"folder": "/d", "at": NOW, "name": "n", "written": NOW - HOUR, "size": 9, "problem": ""} | change
    )
    for rule in (backups.dht_kept, backups.snapshot_kept):
        found = rule(seen, LIMITS)
        assert (found.holds, found.reason) == (reason == "kept", reason)
    if seen.name is not None:
        latest = backups.snapshot_kept(seen.model_copy(update={"name": "latest"}), LIMITS)
        assert latest.reason == ("named-latest" if reason == "kept" else reason)


def test_replication_only_is_the_targets_word() -> None:
    """Where the target declares that replication keeps the content that is told, and nothing else is asked."""
    seen = NewestFile(folder="", at=NOW, name=None, written=None, size=0, problem="", declared="three copies")
    found = backups.dht_kept(seen, LIMITS)
    assert (found.holds, found.reason, found.observed) == (
        True,
        "replication-only",
        "dht_replication_only: three copies",
    )

"""What restoring knows by itself: a dump by its ends, the tools' words, roles, gaps in WAL, and what is judged of it all."""

from __future__ import annotations

import fcntl
import gzip
import os
import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from checks.bzzz.restore import criteria as restoring
from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import Unobservable
from systems.bzzz.backups.stores import open_dumps
from systems.bzzz.backups.target import BackupsTarget
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.restore.dump import read_head, refuse_unless_fit, whole_tail
from systems.bzzz.restore.models import Account, Restored, TableAccount, ValidationResult
from systems.bzzz.restore.newest_dump import Backups
from systems.bzzz.restore.record import RestoreRecord, read_record, record_path, write_record
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason, meaning
from systems.bzzz.restore.roles import roles_of
from systems.bzzz.restore.stream import Bounds, Stream
from systems.bzzz.restore.target import ValidationQuery
from systems.bzzz.restore.wal_archive import first_segment, following, missing
from systems.bzzz.section import BzzzSection

HEAD = (
    b"--\n-- PostgreSQL database dump\n--\n\n\\restrict kEy123\n\n-- Dumped from database version 15.18 (Debian)\n"
    b"-- Dumped by pg_dump version 15.18 (Debian)\n\nSET client_encoding = 'LATIN1';\nSELECT 1;\n"
)
TAIL = b"\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict kEy123\n\n"
SEGMENT = 1 << 20
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_dump_says_what_it_is() -> None:
    """A plain dump tells its server's version and its encoding; pg_dump's own restriction of psql is taken off it."""
    head = read_head(HEAD)
    assert (head.kind, head.major, head.encoding) == ("plain", 15, "LATIN1")
    assert b"restrict" not in head.first
    assert head.first.endswith(b"SELECT 1;\n")
    assert read_head(b"PGDMP\x01\x0e").kind == "custom"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"", RestoreErrorReason.EMPTY),
        (b" \n\n", RestoreErrorReason.EMPTY),
        (b"<html>proxy error</html>", RestoreErrorReason.NOT_A_DUMP),
        (b"\x1f\x8b\x08", RestoreErrorReason.NOT_A_DUMP),
        (b"--\n-- PostgreSQL database cluster dump\n--\n", RestoreErrorReason.CLUSTER_DUMP),
    ],
)
def test_what_is_no_dump_of_a_database_is_refused(first: bytes, reason: RestoreErrorReason) -> None:
    """Bytes that are not the beginning of pg_dump's dump of one database are refused for what they are."""
    with pytest.raises(NotRestored) as refused:
        read_head(first)
    assert refused.value.reason is reason


@given(st.binary(max_size=300))
def test_no_first_bytes_break_the_reader(first: bytes) -> None:
    """Whatever the first bytes are, they are a dump's head or are refused."""
    try:
        read_head(first)
    except NotRestored:
        return


def test_a_newer_servers_dump_is_refused() -> None:
    """A dump of a newer major version is refused by name; one of the same or an older version is fit."""
    refuse_unless_fit(read_head(HEAD), 15)
    refuse_unless_fit(read_head(HEAD), 17)
    with pytest.raises(
        NotRestored, match="other-version: dumped from PostgreSQL 15, but the scratch server is 14"
    ):
        refuse_unless_fit(read_head(HEAD), 14)


def test_only_a_whole_dump_has_an_end() -> None:
    """The end is sent when pg_dump's closing line is the last thing said; pg_dump's own unrestriction is left out."""
    head = read_head(HEAD)
    assert whole_tail(head, TAIL).endswith(b"-- PostgreSQL database dump complete\n")
    assert whole_tail(head, b"-- PostgreSQL database dump complete\n--\n\n")
    for cut in (TAIL[:-70], b"", b"7\tx\n", TAIL + b"SELECT 2;\n"):
        with pytest.raises(NotRestored, match="truncated"):
            whole_tail(head, cut)


@given(st.integers(min_value=1, max_value=len(TAIL) - TAIL.index(b"complete") + 20))
def test_a_dump_cut_before_its_closing_line_never_passes(more: int) -> None:
    """Wherever the last bytes are cut before the closing line's end, the dump is refused."""
    end = TAIL.index(b"complete") + len(b"complete")
    with pytest.raises(NotRestored):
        whole_tail(read_head(HEAD), TAIL[: max(0, end - more)])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('psql:<stdin>:7: ERROR:  role "bzzz" does not exist', RestoreErrorReason.ROLE_MISSING),
        ('ERROR:  invalid byte sequence for encoding "UTF8": 0xff', RestoreErrorReason.ENCODING),
        ("ERROR: KLINGON is not a valid encoding name", RestoreErrorReason.ENCODING),
        ('ERROR:  could not extend file "base/1/2": No space left on device', RestoreErrorReason.DISK_FULL),
        ("gzip: stdin: unexpected end of file", RestoreErrorReason.TRUNCATED),
        ("gzip: stdin: invalid compressed data--crc error", RestoreErrorReason.CORRUPT),
        ("gzip: stdin: not in gzip format", RestoreErrorReason.CORRUPT),
        ("pg_restore: error: unsupported version (1.99) in file header", RestoreErrorReason.OTHER_VERSION),
        ("pg_restore: error: could not read from input file: end of file", RestoreErrorReason.TRUNCATED),
        (
            "psql:<stdin>:9: error: backslash commands are restricted; only \\unrestrict is allowed",
            RestoreErrorReason.PSQL_COMMAND,
        ),
        ("server closed the connection unexpectedly", RestoreErrorReason.SERVER_LOST),
        ('ERROR:  relation "users" already exists', RestoreErrorReason.DUMP_ERROR),
        ("", RestoreErrorReason.DUMP_ERROR),
    ],
)
def test_the_tools_words_have_a_meaning(words: str, reason: RestoreErrorReason) -> None:
    """What psql, pg_restore and gzip say is told apart; what is not known is an error in the dump."""
    assert meaning(words).reason is reason


def test_the_first_error_is_told_and_not_the_flood_after_it() -> None:
    """Of many lines the first that names an error is shown, shortened."""
    told = meaning("NOTICE: x\nERROR:  the cause\nERROR:  what followed\n" + "x" * 9999).message
    assert told == "ERROR:  the cause"


def test_roles_are_made_without_their_powers() -> None:
    """Of a file of roles only names and memberships are taken, quoted ones too; passwords and rights stay where they are."""
    roles, grants = roles_of(
        "CREATE ROLE bzzz;\nALTER ROLE bzzz WITH SUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$x';\n"
        'CREATE ROLE "Odd ""one""";\nGRANT pg_monitor TO bzzz WITH INHERIT TRUE GRANTED BY postgres;\nDROP ROLE other;\n'
    )
    assert roles == ("bzzz", 'Odd "one"')
    assert grants == (("pg_monitor", "bzzz"),)


def name(number: int, timeline: int = 1) -> str:
    """A segment's name."""
    return f"{timeline:08X}{number >> 12:08X}{number & 0xFFF:08X}"


@given(st.integers(0, 9000), st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60))
def test_every_gap_in_the_archive_is_named(base: int, there: set[int], first: int) -> None:
    """A segment between the first that is needed and the newest is named when it is not there, and no other is."""
    names = [name(base + n) for n in there]
    gone = [name(base + n) for n in range(first, max(*there, first) + 1) if n not in there]
    assert missing(names, name(base + first), SEGMENT) == gone[:5]


def test_other_timelines_and_other_files_fill_no_gap() -> None:
    """Only segments of the base backup's own timeline count; histories and later segments are what a recovery may ask for."""
    names = [name(3), name(4, 2), f"{name(3)}.00000028.backup", "00000002.history", name(5), "readme"]
    assert missing(names, name(3), SEGMENT) == [name(4)]
    assert following(names, name(4)) == [name(5), "00000002.history", name(4, 2)]
    assert first_segment(f"START WAL LOCATION: 0/28 (file {name(3)})\nCHECKPOINT\n") == name(3)
    assert first_segment("nothing of it") is None


def account(**changes: Any) -> Account:
    """A small database."""
    whole = {
        "tables": {"public.users": TableAccount(rows=2, checksum="7", owner="bzzz")},
        "sequences": {"public.users_id_seq": 2},
        "definitions": {"index users_pkey": "CREATE UNIQUE INDEX"},
    }
    return Account.model_validate(whole | changes)


TABLES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.builds(
        TableAccount, rows=st.integers(0, 3), checksum=st.sampled_from("xy"), owner=st.sampled_from("pq")
    ),
)
ACCOUNTS = st.builds(
    Account,
    tables=TABLES,
    sequences=st.just({}),
    definitions=st.dictionaries(st.sampled_from("ij"), st.sampled_from("kl")),
)


@given(ACCOUNTS, ACCOUNTS)
def test_databases_are_the_same_only_if_nothing_differs(before: Account, after: Account) -> None:
    """Two databases are accounted for if and only if tables, checksums, owners and definitions are the same."""
    found = restoring.accounted_for(before, after, "x")
    holds = None if before == after and not before.tables else before == after
    reason = {True: "accounted-for", False: "differs", None: "nothing-to-account"}[holds]
    assert (found.holds, found.reason) == (holds, reason)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({"tables": {}}, "table public.users is gone"),
        (
            {"tables": {"public.users": {"rows": 1, "checksum": "7", "owner": "bzzz"}}},
            "had 2 rows, now has 1",
        ),
        ({"tables": {"public.users": {"rows": 2, "checksum": "8", "owner": "bzzz"}}}, "another checksum"),
        (
            {"tables": {"public.users": {"rows": 2, "checksum": "7", "owner": "eve"}}},
            "owner was bzzz, is now eve",
        ),
        ({"sequences": {"public.users_id_seq": 1}}, "was at 2, is now at 1"),
        ({"sequences": {"public.users_id_seq": None}}, "was at 2, is now at None"),
        ({"definitions": {}}, "'CREATE UNIQUE INDEX', is now 'absent'"),
    ],
)
def test_what_was_lost_is_named(after: dict[str, Any], told: str) -> None:
    """A difference is told with the table, sequence or definition that it is in, as it was and as it is."""
    found = restoring.accounted_for(account(), account(**after), "x")
    assert (found.holds, found.reason) == (False, "differs")
    assert told in found.details[0]


def test_a_sequence_may_be_ahead_only_after_a_recovery() -> None:
    """A recovery from WAL may leave a sequence some values ahead, never behind; a restored dump may not."""
    ahead = account(sequences={"public.users_id_seq": 35})
    assert not restoring.accounted_for(account(), ahead, "x").holds
    assert restoring.accounted_for(account(), ahead, "x", ahead=True).holds
    assert not restoring.accounted_for(ahead, account(), "x", ahead=True).holds
    assert restoring.accounted_for(account(), account(), "x", ahead=True).holds
    unused, used = (account(sequences={"public.users_id_seq": value}) for value in (None, 1))
    assert restoring.accounted_for(unused, unused, "x", ahead=True).holds
    assert not restoring.accounted_for(used, unused, "x", ahead=True).holds


def restored(**changes: Any) -> Restored:
    """A restore that went well."""
    whole: dict[str, Any] = {
        "dump": "/b/bzzz_20260102_030405.sql.gz",
        "written": NOW,
        "size": 9,
        "server": "postgresql 15.18",
        "took_s": 2.0,
        "tables": {"public.users": 2},
        "refused": "",
        "asked": tuple(changes.get("validated", ())),
        "validated": {},
    }
    return Restored.model_validate(whole | changes)


def test_a_restore_is_judged_by_outcome_time_and_contents() -> None:
    """A whole restore in time with rows and met queries holds; refusal, a long time, emptiness and unmet queries do not."""
    limits = BzzzLimits()
    asked = ValidationResult(query="select count(*) from users", at_least=2, found=2)
    good = restored(validated={"users": asked})
    found = [restoring.newest_backup_restores(good), restoring.restored_in_time(good, limits)]
    assert all(f.holds for f in [*found, *restoring.holds_what_it_should(good)])
    assert [f.reason for f in [*found, *restoring.holds_what_it_should(good)]] == [
        "restored",
        "in-time",
        "has-rows",
        "validated",
    ]
    for took_s, holds in ((7199.9, True), (7200.0, True), (7200.1, False), (float("nan"), False)):
        timed = restoring.restored_in_time(restored(took_s=took_s), limits)
        assert (timed.holds, timed.reason) == (holds, "in-time" if holds else "too-slow")
    assert restoring.holds_what_it_should(restored(tables={"a": 0}))[0].reason == "no-rows"
    (rows,) = restoring.holds_what_it_should(restored(asked=("users",)))
    assert (rows.holds, rows.reason) == (None, "part-missing")
    assert restoring.holds_what_it_should(restored(asked=("users",), tables={}))[0].reason == "no-rows"
    for bad in ({"found": 1.0}, {"found": float("nan")}, {"found": None, "trouble": "no such table"}):
        unmet = restored(validated={"users": asked.model_copy(update=bad)})
        assert restoring.holds_what_it_should(unmet)[1].reason == "validation-not-met"


REFUSALS = (
    *("empty", "not-a-dump", "cluster-dump", "encoding", "truncated", "corrupt", "role-missing"),
    *("psql-command", "dump-error", "not-empty", "too-slow"),
)


@pytest.mark.parametrize("reason", [*REFUSALS, "not-restored"])
def test_a_dump_that_was_refused_says_for_what(reason: str) -> None:
    """Each refusal is a reason; one that is not known is one as well."""
    refused = "of-another-kind" if reason == "not-restored" else reason
    found = restoring.newest_backup_restores(restored(refused=refused, told="so"))
    assert (found.holds, found.reason, found.observed) == (False, reason, "so")
    assert reason == "not-restored" or reason in set(RestoreErrorReason)


def test_a_validation_query_has_to_be_one() -> None:
    """A target's validation that would do anything but read is refused when the target is read."""
    assert ValidationQuery(query=" SELECT 1").at_least == 1
    with pytest.raises(ValidationError, match="must begin with one of select, with"):
        ValidationQuery(query="delete from users")


def section(tmp_path: Path, **backups: Any) -> BzzzSection:
    """A target with backups in a folder."""
    target = {"host": "local://", "folder": str(tmp_path), **backups}
    return BzzzSection.model_validate(
        {"backups": target, "database": {"url": "postgresql://r@db.example:5432/bzzz_v2"}}
    )


def test_a_good_restore_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written down is read back for the same database, and for no other; a damaged file is told."""
    monkeypatch.setenv("OPSVERIFY_STATE", str(tmp_path))
    here = section(tmp_path)
    assert read_record(here) is None
    record = RestoreRecord(at=NOW, dump="d", written=NOW, took_s=1.5, tables=3, rows=7)
    write_record(here, record)
    assert read_record(here) == record
    other = BzzzSection.model_validate({"database": {"url": "postgresql://r@other.example/bzzz_v2"}})
    assert read_record(other) is None
    record_path(here).write_text("{", encoding="utf-8")
    with pytest.raises(Unobservable, match="damaged"):
        read_record(here)


def test_the_newest_dump_is_chosen_by_its_name(tmp_path: Path) -> None:
    """The newest finished dump is taken, its size unpacked is told by gzip, and the newest roles lie beside it."""
    content = b"x" * 5000
    for stamp in ("20260101_000000", "20260102_000000"):
        (tmp_path / f"bzzz_{stamp}.sql.gz").write_bytes(gzip.compress(content, 0))
        (tmp_path / f"roles_{stamp}.sql").write_text(f"CREATE ROLE r{stamp};\n", encoding="utf-8")
    (tmp_path / "bzzz_20260103_000000.sql").write_bytes(b"not finished")
    target = BackupsTarget(host="local://", folder=str(tmp_path))
    backups = Backups(target)
    assert backups.newest.path.endswith("bzzz_20260102_000000.sql.gz")
    assert backups.source(seconds(9)) == Path(backups.newest.path)
    assert backups.roles()[1] == "CREATE ROLE r20260102_000000;\n"
    assert backups.unpacked >= len(content)


def test_a_process_with_many_files_open_reads_a_dump(tmp_path: Path) -> None:
    """A descriptor beyond 1024 is read as any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2048)), hard))
    (tmp_path / "dump").write_bytes(b"-- a dump")
    with (tmp_path / "dump").open("rb", buffering=0) as file:
        far = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 1100)
        try:
            assert Stream(far).read_first(9, Bounds(Deadline(seconds(5)), tmp_path)) == b"-- a dump"
        finally:
            os.close(far)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_dump_on_another_host_comes_by_ssh(tmp_path: Path) -> None:
    """The command that brings a dump over ssh asks for no password, and no name in it can be taken for an option."""
    (tmp_path / "bzzz_20260102_000000.sql.gz").write_bytes(b"x")
    newest = Backups(BackupsTarget(host="local://", folder=str(tmp_path))).newest
    remote = BackupsTarget(host="ssh://op@h.example:2222", folder=str(tmp_path), identity_file="/k")
    command = open_dumps(remote).source(newest, seconds(9))
    assert isinstance(command, list)
    assert "BatchMode=yes" in command
    assert command[-7:-2] == ["-p", "2222", "-i", "/k", "--"]
    assert command[-2:] == ["op@h.example", f"cat -- {newest.path}"]


def test_no_dump_is_no_verdict_on_a_restore(tmp_path: Path) -> None:
    """Without a dump nothing can be said of restoring one: that it is missing is B-BAK-1's."""
    with pytest.raises(Unobservable, match="see B-BAK-1"):
        Backups(BackupsTarget(host="local://", folder=str(tmp_path)))
    with pytest.raises(Unobservable, match=r"no folder .*nowhere"):
        Backups(BackupsTarget(host="local://", folder=str(tmp_path / "nowhere")))

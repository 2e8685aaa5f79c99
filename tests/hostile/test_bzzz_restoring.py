"""Bad dumps, a full disk, a file that is being written: each has its reason, nothing is committed, nothing is left."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.observation import Unobservable
from opsverify.servers.guard import Guard
from opsverify.servers.postgres import PostgresServer
from systems.bzzz.restore.base_backup import copy_base, verify_base
from systems.bzzz.restore.restore import Into, restore_dump
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason
from systems.bzzz.restore.restore_test import restore_newest
from systems.bzzz.restore.scratch_server import refuse_without_space, scratch_server
from systems.bzzz.restore.stream import Bounds
from systems.bzzz.section import BzzzSection

pytestmark = pytest.mark.slow

ROWS = 20_000
MADE = """
create table users (id serial primary key, name text not null);
insert into users (name) select 'user ' || n from generate_series(1, 20000) n;
create index users_name on users (name);
"""


@dataclass(frozen=True)
class Place:
    """A scratch server, where to restore into it, and a whole dump, plain and custom."""

    server: PostgresServer
    into: Into
    folder: Path
    plain: bytes
    custom: bytes

    def url(self, database: str) -> str:
        """Another database of the server."""
        return urlunsplit(urlsplit(self.server.url)._replace(path=f"/{database}"))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One server for all dumps of this file: each goes into a database of its own."""
    with scratch_server(("local", "wheel")) as (server, guard):
        folder = guard.folder("opsverify-test-")
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create role bzzz")
            connection.execute("create database source")
        place = Place(server, Into(server.url, server.bin, guard.environment()), folder, b"", b"")
        with psycopg.connect(place.url("source"), autocommit=True) as connection:
            connection.execute(MADE.encode())
            connection.execute("alter table users owner to bzzz")
        made = [
            subprocess.run(
                [server.bin / "pg_dump", "-F", form, "-d", place.url("source")],
                capture_output=True,
                check=True,
            ).stdout
            for form in ("p", "c")
        ]
        yield Place(server, place.into, folder, *made)


def refused(place: Place, content: bytes, *, bounds: Bounds | None = None) -> NotRestored:
    """What restoring a file of this content is refused for; nothing of it may be committed."""
    dump = place.folder / "bzzz_20260102_030405.sql.gz"
    dump.write_bytes(content)
    with pytest.raises(NotRestored) as seen:
        restore_dump(
            dump, place.into, "trial", bounds or Bounds(Deadline(seconds(30)), place.folder), compressed=True
        )
    assert dump.read_bytes() == content
    nothing_committed(place)
    return seen.value


def nothing_committed(place: Place) -> None:
    """No table has come of it, and nobody is still connected; the database is dropped."""
    with psycopg.connect(place.server.url, autocommit=True) as connection:
        if connection.execute("select from pg_database where datname = 'trial'").fetchall():
            with psycopg.connect(place.url("trial")) as trial:
                assert trial.execute(
                    "select count(*) from pg_tables where schemaname = 'public'"
                ).fetchone() == (0,)
            connection.execute("drop database trial with (force)")


def changed(old: bytes, new: bytes) -> object:
    """A change of the dump's text; `old` is a pattern, and must be there."""

    def change(whole: bytes) -> bytes:
        spoilt, times = re.subn(old, lambda _: new, whole, count=1)
        assert times, f"{old!r} is not in the dump"
        return spoilt

    return change


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, where a command of the dump would leave its traces."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("spoil", "reason", "told"),
    [
        (changed(rb"version \d+", b"version 99"), RestoreErrorReason.OTHER_VERSION, "dumped from PostgreSQL 99"),
        (changed(b"\tuser 7\n", b"\tuser \xff7\n"), RestoreErrorReason.ENCODING, "invalid byte sequence"),
        (changed(b"'UTF8'", b"'KLINGON'"), RestoreErrorReason.ENCODING, "KLINGON"),
        (changed(b"OWNER TO bzzz", b"OWNER TO nobody_here"), RestoreErrorReason.ROLE_MISSING, 'role "nobody_here"'),
        (changed(b"CREATE INDEX", b"CREATE INDEXX"), RestoreErrorReason.DUMP_ERROR, "syntax error"),
        (changed(b"CREATE TABLE", b"\\! touch pwned\nCREATE TABLE"), RestoreErrorReason.PSQL_COMMAND, "restricted"),
        (changed(b"CREATE TABLE", b"\\unrestrict x\n\\! touch pwned\nCREATE TABLE"), RestoreErrorReason.PSQL_COMMAND, "unrestrict"),
        (lambda whole: whole[: len(whole) // 2], RestoreErrorReason.TRUNCATED, "closing line"),
        (lambda whole: whole[: whole.rindex(b"CREATE INDEX")], RestoreErrorReason.TRUNCATED, "closing line"),
        (lambda _: b"", RestoreErrorReason.EMPTY, "is empty"),
        (lambda _: b"<html>502 Bad Gateway</html>" * 900, RestoreErrorReason.NOT_A_DUMP, "<html>"),
    ],
)  # fmt: skip
def test_a_bad_plain_dump_is_refused_for_its_reason(
    place: Place, spoil: object, reason: RestoreErrorReason, told: str, working_folder: Path
) -> None:
    """Each way in which a dump can be wrong has its own reason, and nothing of such a dump is committed or run."""
    assert callable(spoil)
    seen = refused(place, gzip.compress(spoil(place.plain), 1))
    assert seen.reason is reason
    assert told in seen.message
    assert not (working_folder / "pwned").exists()


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_bytes_that_were_cut_or_flipped_are_refused(place: Place, form: str) -> None:
    """A gzip that is cut anywhere, or has one byte flipped, is never committed: also where all of its SQL came through."""
    whole = gzip.compress(getattr(place, form), 1)
    for size in (0, 1, 200, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        assert refused(place, whole[:size]).reason in {
            RestoreErrorReason.TRUNCATED,
            RestoreErrorReason.EMPTY,
            RestoreErrorReason.CORRUPT,
        }
    for at in (len(whole) // 3, len(whole) - 7):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        assert refused(place, bytes(flipped)).reason in {
            RestoreErrorReason.CORRUPT,
            RestoreErrorReason.TRUNCATED,
            RestoreErrorReason.DUMP_ERROR,
        }


def test_a_cut_custom_dump_is_refused(place: Place) -> None:
    """A custom dump that was cut before it was compressed is refused by pg_restore's own words."""
    for size in (len(place.custom) // 2, len(place.custom) - 100):
        assert refused(place, gzip.compress(place.custom[:size], 1)).reason in {
            RestoreErrorReason.TRUNCATED,
            RestoreErrorReason.CORRUPT,
        }


def test_a_dump_goes_into_an_empty_database_only(place: Place) -> None:
    """A database that is there already is left as it is."""
    dump = place.folder / "twice.sql.gz"
    dump.write_bytes(gzip.compress(place.plain, 1))
    bounds = Bounds(Deadline(seconds(30)), place.folder)
    with pytest.raises(NotRestored, match="not-empty"):
        restore_dump(dump, place.into, "source", bounds, compressed=True)
    with psycopg.connect(place.url("source")) as connection:
        assert connection.execute("select count(*) from users").fetchone() == (ROWS,)


def test_a_dump_that_unpacks_without_end_stops_before_the_disk_is_full(place: Place) -> None:
    """What grows beyond the disk that must stay free is stopped while it comes."""
    free = os.statvfs(place.folder).f_bavail * os.statvfs(place.folder).f_frsize
    bounds = Bounds(Deadline(seconds(30)), place.folder, leave_free=free * 2)
    grown = place.plain.replace(b"COPY", b"-- " + b"x" * 64_000_000 + b"\nCOPY", 1)
    assert refused(place, gzip.compress(grown, 1), bounds=bounds).reason is RestoreErrorReason.DISK_FULL


def test_a_restore_ends_with_its_time_or_when_nobody_waits(place: Place) -> None:
    """A dump that does not come to its end is left within the deadline, and at once when nobody waits any more."""
    for given_up in (False, True):
        bounds = Bounds(Deadline(seconds(60 if given_up else 1)), place.folder)
        if given_up:
            threading.Timer(0.5, bounds.given_up.set).start()
        begin = time.monotonic()
        with pytest.raises(NotRestored, match="too-slow"):
            restore_dump(["sleep", "30"], place.into, "trial", bounds, compressed=False)
        assert time.monotonic() - begin < 5
        nothing_committed(place)


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("client_loop: send disconnect: Broken pipe", "reset"),
        ("cat: x: Permission denied", "denied"),
        ("", "unexpected-reply"),
    ],
)
def test_a_dump_that_is_not_brought_as_a_whole_is_no_verdict(place: Place, says: str, kind: str) -> None:
    """A way to the dump that breaks is not called damage of the dump, whatever was read before, and nothing is committed."""
    half = place.folder / "half.sql.gz"
    whole = gzip.compress(place.plain, 1)
    for size in (0, len(whole) // 2, len(whole)):
        half.write_bytes(whole[:size])
        brings = ["sh", "-c", 'cat "$1"; echo "$2" >&2; exit 255', "sh", str(half), says]
        bounds = Bounds(Deadline(seconds(30)), place.folder)
        with pytest.raises(Unobservable) as seen:
            restore_dump(brings, place.into, "trial", bounds, compressed=True)
        assert seen.value.kind == kind
        nothing_committed(place)


def test_damage_early_in_a_large_dump_is_damage_though_its_rest_is_not_brought(place: Place) -> None:
    """Where gzip ends at a damaged block, and whoever brings the dump is cut off by that, the dump is called corrupt."""
    # A second member with a block of a kind that there is none of; the first is as long as any whole dump.
    large = gzip.compress(place.plain, 1) + gzip.compress(b"")[:10] + b"\xff" * 200 + os.urandom(4 << 20)
    spoilt = place.folder / "spoilt.sql.gz"
    spoilt.write_bytes(large)
    bounds = Bounds(Deadline(seconds(30)), place.folder)
    with pytest.raises(NotRestored, match="corrupt"):
        restore_dump(["cat", str(spoilt)], place.into, "trial", bounds, compressed=True)
    nothing_committed(place)


def test_too_little_space_is_said_before_anything_is_done(tmp_path: Path) -> None:
    """A disk that cannot hold the restored dump is named with what is free and what is needed."""
    with pytest.raises(NotRestored, match=r"disk-full: .* MB are needed"):
        refuse_without_space(tmp_path, 1 << 60)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own, of 96 MB."""
    with Guard() as guard:
        folder = guard.folder("opsverify-small-")
        mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("only root mounts a disk, and not everywhere")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_half_way_is_told(small_disk: Path, place: Place) -> None:
    """A scratch server whose disk is full loses its restore, says why, and is removed with all that it wrote."""
    with scratch_server(("local", "wheel"), small_disk) as (server, guard):
        log = server.data.parent / "postgresql.log"
        into = Into(server.url, server.bin, guard.environment(), log)
        lines = b"".join(b"%d\t%s\n" % (n, b"y" * 900) for n in range(60_000))
        grown = place.plain.replace(
            b"OWNER TO bzzz", f"OWNER TO {server.url.split('//')[1].split(':')[0]}".encode()
        )
        begin = grown.index(b"\n", grown.index(b"COPY public.users")) + 1
        dump = place.folder / "large.sql.gz"
        dump.write_bytes(gzip.compress(grown[:begin] + lines + grown[grown.index(b"\\.\n", begin) :], 1))
        bounds = Bounds(Deadline(seconds(60)), small_disk, leave_free=0)
        with pytest.raises(NotRestored, match="disk-full"):
            restore_dump(dump, into, "trial", bounds, compressed=True)
    assert list(small_disk.iterdir()) == []


def backups(folder: Path) -> BzzzSection:
    """A target whose dumps lie in a folder."""
    target = {"host": "local://", "folder": str(folder), "restoring": {"record": str(folder / "record.json")}}
    return BzzzSection.model_validate({"backups": target})


def test_a_dump_that_may_still_be_written_is_not_judged(tmp_path: Path, place: Place) -> None:
    """Half a dump that was written just now is UNKNOWN; the same one an hour old is refused."""
    dump = tmp_path / "bzzz_20260102_030405.sql.gz"
    dump.write_bytes(gzip.compress(place.plain, 1)[:-100])
    (tmp_path / "roles_20260102_030405.sql").write_text("CREATE ROLE bzzz;\n", encoding="utf-8")
    with pytest.raises(Unobservable, match="pg_dump may still be running"):
        restore_newest(backups(tmp_path), seconds(30), threading.Event())
    hour_ago = time.time() - 3600
    os.utime(dump, (hour_ago, hour_ago))
    assert restore_newest(backups(tmp_path), seconds(30), threading.Event()).refused == "truncated"
    assert not (tmp_path / "record.json").exists()


def test_a_dump_that_changes_while_it_is_read_is_not_judged(tmp_path: Path, place: Place) -> None:
    """A dump that somebody writes to while it is restored is UNKNOWN, even if what was read is whole."""
    dump = tmp_path / "bzzz_20260102_030405.sql.gz"
    dump.write_bytes(gzip.compress(place.plain, 1))
    (tmp_path / "roles_20260102_030405.sql").write_text("CREATE ROLE bzzz;\n", encoding="utf-8")
    hour_ago = time.time() - 3600
    os.utime(dump, (hour_ago, hour_ago))
    threading.Timer(0.3, dump.touch).start()
    with pytest.raises(Unobservable, match="changed or disappeared while it was read"):
        restore_newest(backups(tmp_path), seconds(30), threading.Event())


def test_a_scratch_folder_that_is_not_there_is_told(tmp_path: Path, place: Place) -> None:
    """A scratch folder that does not exist is UNKNOWN, and named."""
    (tmp_path / "bzzz_20260102_030405.sql.gz").write_bytes(gzip.compress(place.plain, 1))
    here = backups(tmp_path)
    assert here.backups is not None
    moved = here.backups.restoring.model_copy(update={"scratch": str(tmp_path / "nowhere")})
    nowhere = here.model_copy(update={"backups": here.backups.model_copy(update={"restoring": moved})})
    with pytest.raises(Unobservable, match="nowhere"):
        restore_newest(nowhere, seconds(30), threading.Event())


def test_a_verifier_that_crashes_has_found_nothing(tmp_path: Path) -> None:
    """A pg_verifybackup that dies, or says neither good nor bad, gives no verdict; one without a manifest is refused."""
    (tmp_path / "backup_manifest").write_text("{}", encoding="utf-8")
    for script in ("kill -SEGV $$", "exit 0", "echo something; exit 1", "exit 2"):
        program = tmp_path / "pg_verifybackup"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        with pytest.raises(Unobservable, match="without a verdict"):
            verify_base(tmp_path, program, os.environ, timedelta(seconds=5))
    (tmp_path / "backup_manifest").unlink()
    with pytest.raises(NotRestored, match="base-backup-corrupt"):
        verify_base(tmp_path, program, os.environ, timedelta(seconds=5))


def test_tablespaces_are_refused(tmp_path: Path) -> None:
    """A base backup with links to the source's own files is not started: it would write to them."""
    (tmp_path / "base" / "pg_tblspc").mkdir(parents=True)
    (tmp_path / "base" / "pg_tblspc" / "16384").symlink_to("/srv/fast")
    with pytest.raises(NotRestored, match="tablespaces 16384"):
        copy_base(tmp_path / "base", tmp_path / "copy", None)
    assert not (tmp_path / "copy").exists()


def test_guards_leave_nothing() -> None:
    """A scratch server leaves neither folder nor process behind."""
    inside = Path(
        tempfile.gettempdir()
    )  # which the user that PostgreSQL runs as may enter, however tests are run
    with scratch_server(("local", "wheel"), inside) as (server, guard):
        folder, pid = server.data.parent, server.process.pid
        assert isinstance(guard, Guard)
        assert folder.parent == inside
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()

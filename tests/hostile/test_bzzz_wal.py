"""Base backups and WAL archives of a real PostgreSQL that was promoted, and everything that can be wrong with them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from checks.bzzz.backups import test_backups as checks
from opsverify.servers.postgres import PostgresServer
from tests.hostile.bzzz_backups import DAY, SOON_S, instead, judged, kept, put
from tests.hostile.bzzz_looking import outcome
from tests.hostile.servers import ESCAPES
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.servers.guard import Guard
    from systems.bzzz.section import BzzzSection

pytestmark = pytest.mark.slow

BASE = checks.test_the_base_backup_is_verified
WAL = checks.test_the_wal_archive_has_no_gap
MANIFEST = "backup_manifest"
SIZE = 1 << 20
SEGMENT = "[0-9A-F]" * 24


@pytest.fixture(scope="module")
def made(guard: Guard) -> tuple[Path, Path]:
    """Give a folder with a base backup and the WAL since: of a primary, and of what it became by a promotion; and the
    folder of PostgreSQL's programs.
    """
    folder = guard.folder("opsverify-wal-")
    for each in (folder, folder / "base", folder / "wal"):
        each.mkdir(exist_ok=True)
        each.chmod(0o777)
    server = PostgresServer.start(
        origins=["local", "wheel"],
        guard=guard,
        settings={
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": f"cp %p {folder}/wal/%f",
        },
        initdb=("--data-checksums", "--wal-segsize=1"),
    )
    try:
        server.run("pg_basebackup", "-D", f"{folder}/base/one", "-X", "stream", "-c", "fast", "--no-sync")
        archive(server, folder, 3)
        server.stop()
        signal = server.data / "standby.signal"
        signal.touch()
        signal.chmod(0o666)
        server.start_again()
        asked(server, "select pg_promote()")
        archive(server, folder, 3)
    finally:
        server.kill()
    return folder, server.bin


def asked(server: PostgresServer, query: str) -> Any:
    """One value."""
    with psycopg.connect(server.url, autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def archive(server: PostgresServer, folder: Path, segments: int) -> None:
    """Finish so many segments, and wait until they are in the archive."""
    for _ in range(segments):
        asked(server, "select pg_logical_emit_message(false, 'test', 'more')")
        path = folder / "wal" / asked(server, "select pg_walfile_name(pg_switch_wal())")
        end = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < end, path
            time.sleep(0.02)


@pytest.fixture
def folder(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """Give a copy of them, whose base backup has its large files in common with them."""
    copy = tmp_path / "backups"
    shutil.copytree(made[0] / "base", copy / "base", copy_function=linked)
    shutil.copytree(made[0] / "wal", copy / "wal")
    return copy


def linked(source: str, copy: str) -> None:
    """Another name for a file; a copy of what a test may write to."""
    if Path(source).name in {MANIFEST, "PG_VERSION"}:
        shutil.copy2(source, copy)
    else:
        os.link(source, copy)


def there(folder: Path, made: tuple[Path, Path]) -> BzzzSection:
    """A target with these backups."""
    return kept(folder, base=f"{folder}/base", wal=f"{folder}/wal", programs=str(made[1]))


def segments(folder: Path, timeline: int) -> list[Path]:
    """The segments of a timeline, oldest first."""
    return sorted(p for p in (folder / "wal").glob(SEGMENT) if p.name.startswith(f"{timeline:08X}"))


def of(timeline: int, number: int, change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Do this to one of the segments of a timeline."""

    def changed(folder: Path) -> None:
        change(segments(folder, timeline)[number])

    return changed


def after(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Do this to a file of the archive."""

    def changed(folder: Path) -> None:
        change(folder / "wal" / name)

    return changed


def on_the_old_line(folder: Path) -> None:
    """The old primary goes on beside the new one; then a segment of the new one is lost."""
    *_, gone, last = segments(folder, 2)
    for path in (gone, last):
        shutil.copy(path, path.with_name(f"00000001{path.name[8:]}"))
    gone.unlink()


def duplicates(folder: Path) -> None:
    """Files that an archive has besides: copies, packed ones, half ones, what somebody has put there."""
    wal = folder / "wal"
    first = segments(folder, 1)[0]
    for name in (
        f"{first.name}.gz",
        f"{first.name}.part",
        f"{first.name}.partial",
        f"{first.name}.00000028.backup",
    ):
        shutil.copy(first, wal / name)
    for name in ("README", "0" * 23, f"x{first.name}", f"{first.name}\n", f"{first.name}{ESCAPES}"):
        (wal / name).write_bytes(b"x")
    (wal / f"{'0' * 23}1").write_bytes(b"x")  # from before the base backup
    (wal / f"{'F' * 8}.history.tmp").write_bytes(b"x")


HISTORY = "00000002.history"
FOREIGN = b"9\t0/100\tno recovery target specified\n"
ARCHIVES = [
    case(lambda _: None, "PASS whole", id="over a promotion"),
    case(duplicates, "PASS whole", id="with everything else"),
    case(of(1, -1, Path.unlink), "FAIL gap", id="the last before the promotion"),
    case(of(2, 0, Path.unlink), "FAIL gap", id="the first after it"),
    case(of(2, 1, Path.unlink), "FAIL gap", id="one after it"),
    case(of(2, -1, Path.unlink), "PASS whole", id="the newest: it may yet come"),
    case(on_the_old_line, "FAIL gap", id="one that only the old line has"),
    case(after(HISTORY, Path.unlink), "FAIL gap", id="no history"),
    case(after(HISTORY, lambda p: p.write_bytes(b"")), "FAIL gap", id="an empty history"),
    case(after(HISTORY, lambda p: p.write_bytes(os.urandom(9000))), "FAIL gap", id="a history of noise"),
    case(after(HISTORY, lambda p: p.rename(f"{p}.gz")), "UNKNOWN precondition", id="a packed history"),
    case(after(HISTORY, instead(os.mkfifo)), "FAIL gap", id="a history that is a pipe"),
    case(after("00000009.history", lambda p: p.write_bytes(FOREIGN)), "PASS whole", id="another cluster's history"),
    case(of(1, -1, lambda p: p.rename(f"{p}.gz")), "PASS whole", id="a packed one"),
    case(of(1, -1, lambda p: p.rename(f"{p}.part")), "FAIL gap", id="one that was never finished"),
    case(of(1, -1, lambda p: os.truncate(p, SIZE // 2)), "FAIL segment-cut", id="a cut one"),
    case(of(2, -1, lambda p: os.truncate(p, 0)), "FAIL segment-cut", id="an empty one"),
    case(of(1, -1, instead(Path.mkdir)), "FAIL gap", id="a folder"),
    case(of(1, -1, instead(os.mkfifo)), "FAIL gap", id="a pipe"),
    case(of(1, -1, instead(lambda p: p.symlink_to("/dev/zero"))), "FAIL gap", id="a device"),
    case(of(1, -1, instead(lambda p: p.symlink_to("x"))), "FAIL gap", id="a link to nowhere"),
    case(after("", instead(Path.mkdir)), "FAIL gap", id="nothing archived"),
    case(after("", shutil.rmtree), "UNKNOWN precondition", id="no archive"),
    case(after("", instead(Path.touch)), "UNKNOWN precondition", id="a file in its place"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), ARCHIVES)
async def test_an_archive_gets_its_verdict(
    folder: Path, made: tuple[Path, Path], change: Callable[[Path], None], expected: str
) -> None:
    """What recovery would ask for, along the timelines that it takes, is there whole, or is named; the rest is no matter."""
    change(folder)
    assert await judged(WAL, there(folder, made)) == expected


async def test_a_gap_names_what_is_missing(folder: Path, made: tuple[Path, Path]) -> None:
    """The finding names the lost segment on its own timeline, and a history by its name."""
    (gone := segments(folder, 2)[1]).unlink()
    seen = await outcome(WAL, there(folder, made), deadline=SOON_S)
    assert seen.findings[0].observed == f"{folder}/wal: 1 missing from the archive: {gone.name}"
    (folder / "wal" / HISTORY).unlink()
    seen = await outcome(WAL, there(folder, made), deadline=SOON_S)
    assert HISTORY in seen.findings[0].observed


def base(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Do this to the base backup."""

    def changed(folder: Path) -> None:
        change(folder / "base" / "one")

    return changed


def manifest(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Do this to its manifest."""
    return base(lambda one: change(one / MANIFEST))


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    """Put other bytes into a file, once."""

    def change(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


def older(folder: Path) -> None:
    """An older one that is broken stays beside the one that counts."""
    shutil.copytree(folder / "base" / "one", folder / "base" / "zero")
    put(folder / "base" / "zero" / MANIFEST, b"{", DAY)


BROKEN, ODD, EMPTY = "FAIL not-as-its-manifest", "UNKNOWN unexpected-reply", "UNKNOWN empty"
BASES = [
    case(lambda _: None, "PASS verified", "PASS whole", id="well"),
    case(older, "PASS verified", "PASS whole", id="an older one that is broken"),
    case(lambda f: (f / "base" / f"x{ESCAPES}").touch(), "PASS verified", "PASS whole", id="escapes in a file's name"),
    case(lambda f: (f / "base" / "loop").symlink_to("loop"), "PASS verified", "PASS whole", id="a link in a circle"),
    case(manifest(lambda p: os.truncate(p, 900)), BROKEN, ODD, id="a manifest that is cut"),
    case(manifest(lambda p: p.write_bytes(b"")), BROKEN, ODD, id="a manifest of 0 bytes"),
    case(manifest(lambda p: p.write_bytes(b"{}")), BROKEN, ODD, id="a manifest {}"),
    case(manifest(lambda p: p.write_bytes(os.urandom(5000))), BROKEN, ODD, id="a manifest of noise"),
    case(manifest(lambda p: p.write_bytes(b"[" * 99_000)), BROKEN, ODD, id="a manifest that is deeply nested"),
    case(manifest(replaced(b'"Size": ', b'"Size": 1')), BROKEN, "PASS whole", id="another size"),
    case(manifest(replaced(b'"Timeline": 1', b'"Timeline": 99999999999')), BROKEN, ODD, id="a timeline that is none"),
    case(manifest(replaced(b'"Timeline": 1', b'"Timeline": 7')), BROKEN, "FAIL gap", id="another timeline"),
    case(manifest(Path.unlink), EMPTY, EMPTY, id="no manifest"),
    case(manifest(instead(Path.mkdir)), EMPTY, EMPTY, id="a folder for a manifest"),
    case(manifest(instead(os.mkfifo)), EMPTY, EMPTY, id="a pipe for a manifest"),
    case(manifest(instead(lambda p: p.symlink_to("/dev/zero"))), EMPTY, EMPTY, id="a device for a manifest"),
    case(base(lambda one: (one / "PG_VERSION").unlink()), BROKEN, "PASS whole", id="a file less"),
    case(base(lambda one: (one / "more").touch()), BROKEN, "PASS whole", id="a file more"),
    case(base(lambda one: put(one / "PG_VERSION", b"99\n")), BROKEN, "PASS whole", id="another content"),
    case(base(lambda one: put(one / MANIFEST, (one / MANIFEST).read_bytes(), 32 * DAY)), "FAIL old", "PASS whole", id="old"),
    case(base(lambda one: put(one / MANIFEST, (one / MANIFEST).read_bytes(), -DAY)), "FAIL from-the-future", "PASS whole", id="of tomorrow"),
    case(base(shutil.rmtree), EMPTY, EMPTY, id="nothing in the folder"),
    case(lambda f: shutil.rmtree(f / "base"), "UNKNOWN precondition", "UNKNOWN precondition", id="no folder"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "verified", "whole"), BASES)
async def test_a_base_backup_gets_its_verdict(
    folder: Path, made: tuple[Path, Path], change: Callable[[Path], None], verified: str, whole: str
) -> None:
    """One that is not as its manifest says fails, also where the manifest itself is broken; without one nobody knows."""
    change(folder)
    part = there(folder, made)
    assert await judged(BASE, part) == verified
    assert await judged(WAL, part) == whole


PROGRAMS = [
    case("echo 'backup successfully verified'", "PASS verified", id="good"),
    case("echo 'backup successfully verified'; echo 'checksum mismatch for file x' >&2", BROKEN, id="both"),
    case("kill -SEGV $$", ODD, id="crashes"),
    case("exit 0", ODD, id="says nothing, and that it is well"),
    case("exit 1", ODD, id="says nothing"),
    case("echo 'could not read: Permission denied' >&2; exit 1", "UNKNOWN denied", id="may not read"),
    case("yes", ODD, id="never ends saying it"),
]


@pytest.mark.parametrize(("script", "expected"), PROGRAMS)
async def test_a_verifier_is_believed_by_its_words(folder: Path, script: str, expected: str) -> None:
    """Neither its exit status nor its silence says that a backup is good."""
    program = folder / "programs" / "pg_verifybackup"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    assert await judged(BASE, there(folder, (folder, program.parent))) == expected


async def test_a_host_without_the_verifier_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PostgreSQL's programs are not found that is UNKNOWN, and the target's key for them is named."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "env", "timeout", "find", "head", "tail", "stat", "date"):
        (tools / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tools))
    seen = await outcome(BASE, there(folder, (folder, folder / "nowhere")), deadline=SOON_S)
    assert (seen.verdict, seen.reason) == ("UNKNOWN", "precondition")
    assert "[bzzz.backups] programs" in seen.explanation

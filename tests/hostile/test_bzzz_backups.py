"""Folders of dumps and of configuration that no backup job leaves: each gets a verdict, in time, and nothing is changed."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checks.bzzz.backups import test_backups as checks
from opsverify.model.deadline import seconds
from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz.backups import client as backups_client
from tests.hostile.bzzz_backups import DAY, HEAD, HOUR, ROWS, TAIL, WHOLE, instead, judged, kept, put
from tests.hostile.bzzz_looking import DEADLINE, PATIENT, verdict
from tests.hostile.servers import ESCAPES, MIB
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opsverify.servers.guard import Guard

JUST_NOW = timedelta(seconds=1)
DUMPS = checks.test_the_newest_dump_is_young_and_whole
EXPORT = checks.test_the_configuration_export_is_whole
OFFSITE = checks.test_the_offsite_copy_is_the_same
DHT = checks.test_dht_content_is_kept
SNAPSHOT = checks.test_a_prometheus_snapshot_is_kept
ALL = (
    DUMPS, EXPORT, OFFSITE, DHT, SNAPSHOT, checks.test_the_base_backup_is_verified, checks.test_the_wal_archive_has_no_gap
)  # fmt: skip
NOBODY = 65534
DUMP = "bzzz_20260101_000000.sql.gz"
ZEROS = gzip.compress(bytes(64 * MIB), 9)


def named(before: timedelta, ending: str = ".sql.gz") -> str:
    """A dump's name of so long ago."""
    return f"bzzz_{datetime.now(UTC) - before:%Y%m%d_%H%M%S}{ending}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one whole dump of two hours ago."""
    made = tmp_path / "backups"
    made.mkdir()
    put(made / named(2 * HOUR), before=2 * HOUR)
    return made


def newest(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something in the place of a dump that is an hour younger."""

    def change(folder: Path) -> None:
        make(folder / named(HOUR))

    return change


def content(made: bytes, before: timedelta = HOUR) -> Callable[[Path], None]:
    """Put a file of this content there."""
    return newest(lambda path: put(path, made, before))


def forged(folder: Path) -> None:
    """A name that holds a whole line of a listing, with a dump that is not there."""
    line = f"f 99999 {time.time():.4f} {named(timedelta(0))}"
    (folder / f"x\n{line}\n").touch()
    (folder / f"{named(HOUR)}\n").touch()
    (folder / f"{named(HOUR)}{ESCAPES}").touch()
    (folder / f" {named(HOUR)}").touch()
    (folder / "clock 1.0").touch()
    (folder / os.fsdecode(b"\xff\xfe")).touch()


WRITTEN_NOW = timedelta(0)
FOLDERS = [
    case(lambda _: None, "PASS young", id="well"),
    case(content(WHOLE), "PASS young", id="a younger one"),
    case(newest(Path.mkdir), "PASS young", id="a folder named like a dump"),
    case(newest(os.mkfifo), "PASS young", id="a pipe named like a dump"),
    case(newest(lambda p: p.symlink_to("/dev/zero")), "PASS young", id="a device named like a dump"),
    case(newest(lambda p: p.symlink_to(p.parent)), "PASS young", id="a link to the folder itself"),
    case(newest(lambda p: p.symlink_to("nowhere")), "PASS young", id="a link to nowhere"),
    case(newest(lambda p: p.symlink_to(p.name)), "PASS young", id="a link in a circle"),
    case(
        newest(lambda p: p.symlink_to(next(p.parent.glob("*.gz")))), "PASS young", id="a link to a whole dump"
    ),
    case(forged, "PASS young", id="odd names"),
    case(content(b""), "FAIL empty", id="0 bytes"),
    case(content(b"", WRITTEN_NOW), "UNKNOWN precondition", id="0 bytes, now"),
    case(content(gzip.compress(b"") * 2000), "FAIL empty", id="a gzip of nothing"),
    case(content(WHOLE[:-400]), "FAIL truncated", id="cut"),
    case(content(WHOLE[:-400], WRITTEN_NOW), "UNKNOWN precondition", id="cut, and written just now"),
    case(content(WHOLE[:-400], -DAY), "FAIL from-the-future", id="cut, and written tomorrow"),
    case(content(WHOLE[:-4] + b"\0\0\0\0"), "FAIL damaged", id="another length"),
    case(content(WHOLE + b"garbage"), "FAIL trailing-garbage", id="garbage after it"),
    case(content(os.urandom(50_000)), "FAIL damaged", id="noise"),
    case(content(b"\x1b[2J" * 9000), "FAIL damaged", id="escapes"),
    case(content(gzip.compress(b"<html>" + ROWS)), "FAIL no-dump", id="a page of a proxy"),
    case(content(gzip.compress(HEAD + ROWS)), "FAIL no-closing-line", id="without its end"),
    case(content(gzip.compress(HEAD + TAIL + ROWS)), "FAIL no-closing-line", id="more after its end"),
    case(content(gzip.compress(HEAD) + ZEROS + gzip.compress(TAIL)), "PASS young", id="64 MiB of zeros"),
    case(content(ZEROS * 3), "FAIL no-dump", id="a bomb"),
    case(content(WHOLE, -DAY), "FAIL from-the-future", id="written tomorrow"),
    case(content(WHOLE, 60 * 365 * DAY), "FAIL old", id="written before 1970"),
    case(lambda f: put(f / "bzzz_20990101_000000.sql.gz"), "FAIL from-the-future", id="named 2099"),
    case(lambda f: put(f / named(HOUR, ".sql")), "FAIL uncompressed", id="a plain one"),
    case(lambda f: put(f / named(HOUR, ".sql"), before=WRITTEN_NOW), "UNKNOWN precondition", id="being made"),
    case(lambda f: put(f / named(HOUR, ".sql"), before=-DAY), "FAIL uncompressed", id="plain, of tomorrow"),
    case(lambda f: put(f / named(HOUR, ".sql").upper()), "PASS young", id="another case"),
    case(shutil.rmtree, "UNKNOWN precondition", id="no folder"),
    case(instead(Path.touch), "UNKNOWN precondition", id="a file in its place"),
    case(instead(lambda f: f.symlink_to("x")), "UNKNOWN precondition", id="a link to nowhere in its place"),
    case(instead(Path.mkdir), "FAIL no-dump", id="an empty folder"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), FOLDERS)
async def test_a_folder_of_dumps_gets_its_verdict(
    folder: Path, change: Callable[[Path], None], expected: str
) -> None:
    """What is no regular file of a dump's name is no dump, whatever it is called; the newest that is one is judged."""
    change(folder)
    assert await judged(DUMPS, kept(folder)) == expected


@pytest.fixture
def crowded() -> Iterator[Path]:
    """Give a folder for many files, in memory where that is possible: a busy disk takes seconds to make them."""
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of its own below it
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made)


@pytest.mark.parametrize(
    ("count", "length", "expected"), [(10_000, 9, "PASS young"), (4500, 250, "UNKNOWN unexpected-reply")]
)
async def test_a_crowded_folder_is_looked_at_whole_or_not_at_all(
    crowded: Path, count: int, length: int, expected: str
) -> None:
    """A dump is found among ten thousand files; where names are more than a mebibyte the newest may be among the rest."""
    put(crowded / named(HOUR))
    for number in range(count):
        (crowded / f"{number:0{length}}").touch()
    assert await judged(DUMPS, kept(crowded)) == expected


async def test_a_link_to_the_folder_is_the_folder(folder: Path) -> None:
    """A folder is looked at through a link, and with anything in its name."""
    odd = folder.with_name("it's; a 'folder' $(touch x) --help")
    odd.symlink_to(folder)
    assert await judged(DUMPS, kept(odd)) == "PASS young"
    assert await judged(DUMPS, kept(f"{folder}///")) == "PASS young"
    assert {path.name for path in folder.parent.iterdir()} == {"backups", odd.name}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of all that lies there."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


async def test_looking_changes_nothing(folder: Path) -> None:
    """Neither content nor times of what lies there change by being judged."""
    put(folder / named(HOUR), WHOLE[:-99])
    before = snapshot(folder)
    assert await judged(DUMPS, kept(folder)) == "FAIL truncated"
    assert snapshot(folder) == before


async def test_a_bomb_is_left_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks for ever is UNKNOWN when its time is over, and nothing goes on unpacking it."""
    monkeypatch.setattr(backups_client, "_READ", seconds(0.5))
    path = put(folder / named(HOUR), ZEROS * 400)
    assert await judged(DUMPS, kept(folder)) == "UNKNOWN silent"
    end = time.monotonic() + 5
    while _reading(path):
        assert time.monotonic() < end, "gzip goes on"
        await asyncio.sleep(0.05)


def _reading(path: Path) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes()
        except OSError:
            continue
        if b"gzip" in words and os.fsencode(path.name) in words:
            found.append(command.parent.name)
    return found


@pytest.mark.parametrize("what", ["grows", "goes", "is replaced"])
async def test_a_dump_that_changes_while_it_is_read_is_not_judged(folder: Path, what: str) -> None:
    """A dump that grows, goes away or is replaced meanwhile is UNKNOWN, though what was read of it was whole."""
    slow = gzip.compress(HEAD) + ZEROS * 3 + gzip.compress(TAIL)
    path = put(folder / named(HOUR), slow)

    def change() -> None:
        if what == "grows":
            with path.open("ab") as file:
                file.write(gzip.compress(TAIL))
        elif what == "goes":
            path.unlink()
        else:
            put(path.with_suffix(".new"), slow + gzip.compress(TAIL)).rename(path)

    timer = threading.Timer(0.2, change)
    timer.start()
    assert await judged(DUMPS, kept(folder)) == "UNKNOWN precondition"
    timer.join()


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user that may read only what everybody may: root could read all."""
    was = os.geteuid()
    if was == 0:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        if was == 0:
            os.setresuid(0, 0, 0)


@pytest.fixture
def open_folder(guard: Guard) -> Path:
    """Give a folder with a dump that everybody may read, and a copy of it off-site."""
    made = guard.folder("opsverify-backups-")
    for each in (made, made / "off"):
        each.mkdir(exist_ok=True)
        each.chmod(0o755)
        put(each / DUMP).chmod(0o644)
    return made


@pytest.mark.parametrize("closed", ["folder", "file"])
async def test_what_may_not_be_read_is_not_judged(open_folder: Path, closed: str) -> None:
    """A folder or a file without permission is UNKNOWN: denied, and neither missing nor damaged."""
    path, off = open_folder / DUMP, open_folder / "off"
    part = kept(open_folder, offsite=str(off))
    with unprivileged():
        assert await judged(OFFSITE, part) == "PASS same"
    (off if closed == "folder" else off / path.name).chmod(0)
    with unprivileged():
        assert await judged(OFFSITE, part) == "UNKNOWN denied"
    (open_folder if closed == "folder" else path).chmod(0)
    with unprivileged():
        assert await judged(DUMPS, part) == "UNKNOWN denied"


COPIES = [
    case(lambda _: None, "PASS same", id="well"),
    case(Path.unlink, "FAIL missing", id="gone"),
    case(instead(Path.mkdir), "FAIL missing", id="a folder"),
    case(instead(lambda p: p.symlink_to("x")), "FAIL missing", id="a link to nowhere"),
    case(instead(os.mkfifo), "FAIL missing", id="a pipe"),
    case(instead(lambda p: p.symlink_to("/dev/zero")), "FAIL missing", id="a device"),
    case(lambda p: p.write_bytes(b""), "FAIL size-differs", id="0 bytes"),
    case(lambda p: p.write_bytes(WHOLE[::-1]), "FAIL content-differs", id="other bytes"),
    case(lambda p: shutil.rmtree(p.parent), "UNKNOWN precondition", id="not mounted"),
]


@pytest.mark.parametrize(("change", "expected"), COPIES)
async def test_a_copy_off_site_gets_its_verdict(
    folder: Path, change: Callable[[Path], None], expected: str
) -> None:
    """Only a regular file of the same name is a copy; a folder that is not there says nothing of copies."""
    put(folder / (name := named(HOUR)))
    off = Path(shutil.copytree(folder, folder.with_name("off")))
    change(off / name)
    assert await judged(OFFSITE, kept(folder, offsite=str(off))) == expected


async def test_a_copy_that_is_being_written_is_not_judged(folder: Path) -> None:
    """A copy that grows while the two are compared is UNKNOWN, not one that differs."""
    path = put(folder / named(HOUR), os.urandom(24 * MIB))
    off = folder.with_name("off")
    off.mkdir()
    copy, stop = off / path.name, threading.Event()

    def write() -> None:
        with copy.open("wb") as file:
            while not stop.wait(0.005):
                file.write(b"x")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert await judged(OFFSITE, kept(folder, offsite=str(off))) == "UNKNOWN precondition"
    finally:
        stop.set()
        writer.join()


KEPT = [
    case(lambda f: put(f / "dht.tar.gz"), "PASS kept", "FAIL none", id="a file"),
    case(lambda f: (f / "snap").mkdir(), "FAIL none", "FAIL empty", id="an empty folder"),
    case(
        lambda f: ((f / "snap").mkdir(), (f / "snap" / "01ABC").mkdir()),
        "FAIL none",
        "PASS kept",
        id="a folder of folders",
    ),
    case(
        lambda f: ((f / "snap").mkdir(), (f / "snap" / "meta.json").touch()),
        "FAIL none",
        "FAIL empty",
        id="a folder of empty files",
    ),
    case(lambda f: os.mkfifo(f / "x.gz"), "FAIL none", "FAIL none", id="a pipe"),
    case(lambda f: (f / "x.gz").symlink_to("y"), "FAIL none", "FAIL none", id="a link to nowhere"),
    case(lambda f: (f / "x.gz").symlink_to("/dev/zero"), "FAIL none", "FAIL none", id="a device"),
    case(lambda f: put(f / "x.gz", b"no gzip"), "FAIL damaged", "FAIL none", id="no gzip"),
    case(lambda f: put(f / "x.gz", b""), "FAIL empty", "FAIL none", id="0 bytes"),
    case(
        lambda f: put(f / "x.gz", WHOLE[:-9], before=JUST_NOW),
        "UNKNOWN precondition",
        "FAIL none",
        id="being written",
    ),
    case(
        lambda f: put(f / "x.gz", b"", before=JUST_NOW), "UNKNOWN precondition", "FAIL none", id="just begun"
    ),
    case(lambda f: put(f / "x.gz", before=JUST_NOW), "PASS kept", "FAIL none", id="just finished"),
    case(lambda f: put(f / "x.gz", before=9 * DAY), "FAIL old", "FAIL none", id="old"),
    case(lambda f: put(f / "x.gz", before=-DAY), "FAIL from-the-future", "FAIL none", id="of tomorrow"),
    case(lambda f: put(f / f"x{ESCAPES}.gz"), "UNKNOWN precondition", "FAIL none", id="escapes in its name"),
    case(lambda f: put(f / "x\ny.gz"), "FAIL none", "FAIL none", id="a newline in its name"),
    case(shutil.rmtree, "UNKNOWN precondition", "UNKNOWN precondition", id="no folder"),
]


@pytest.mark.parametrize(("change", "dht", "snapshot"), KEPT)
async def test_copies_and_snapshots_get_their_verdicts(
    tmp_path: Path, change: Callable[[Path], object], dht: str, snapshot: str
) -> None:
    """A copy of the DHT is a file, a snapshot a folder with something in it; everything else is neither."""
    folder = tmp_path / "kept"
    folder.mkdir()
    change(folder)
    part = kept(tmp_path, dht=str(folder), prometheus=str(folder))
    assert await judged(DHT, part) == dht
    assert await judged(SNAPSHOT, part) == snapshot


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh on this machine")
@pytest.mark.parametrize("kind", ["refused", "silent", "name-not-found"])
async def test_a_host_that_cannot_be_reached_says_nothing_of_its_backups(tmp_path: Path, kind: str) -> None:
    """Refusal, silence and an unknown name are UNKNOWN for every check of backups that looks there."""
    with socket.create_server((LOOPBACK, 0)) as mute:
        port = {"refused": free_port(), "silent": mute.getsockname()[1]}.get(kind, 22)
        name = "no-such-host.invalid" if kind == "name-not-found" else LOOPBACK
        there = {"host": f"ssh://nobody@{name}:{port}", "dht": "/d", "offsite": "/o", "wal": "/w"}
        part = kept(tmp_path, **there)
        for check in (DUMPS, OFFSITE) if kind == "silent" else ALL:
            deadline = DEADLINE if kind == "silent" else PATIENT
            assert await verdict(check, part, deadline=deadline) == f"UNKNOWN {kind}"

"""Files that no program of Esper-Lite writes: each gets a verdict, within the deadline, and nothing is changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fixtures.esper.twin import messages
from fixtures.esper.twin.field_reports import FieldReportLog
from fixtures.esper.twin.forge import Compiler, ForgeProgram, LibraryFolder
from systems.esper.section import EsperSection
from tests.hostile.looking import LIMITS, verdicts
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable

LOG, WAL, CATALOG = "var/tamiyo/field_reports.log", "var/urza/forge_wal.json", "var/urza/catalog.db"
COMPILER, ARTIFACT = "var/artifacts/tezzeret_wal.json", "var/urza/BP007.pt"
GREEN = {
    "E-TAM-1": "PASS whole",
    "E-URZ-1": "PASS nothing-pending",
    "E-URZ-2": "PASS clean",
    "E-URZ-3": "PASS matches",
    "E-REC-2b": "PASS nothing-pending",
    "E-UP-4": "PASS nothing-pending",
}
SOON_S = 20.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a root as a trainer and a forge leave it."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(3):
        FieldReportLog(folder / LOG).append(messages.report(0, number))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        compiler = Compiler(Path("var/artifacts"), max_retries=2, pace_s=0, failing={})
        ForgeProgram(LibraryFolder(Path("var/urza")), compiler, Path(WAL)).run()
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """Give a copy of such a root."""
    return Path(shutil.copytree(made, tmp_path / "root"))


def section(root: Path, **more: object) -> EsperSection:
    """Build the section of a target that has only these files."""
    files = {"host": "local://", "root": str(root)}
    return EsperSection.model_validate({"files": files, "limits": LIMITS, **more})


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Size, time and inode of everything below the root."""
    stats = {str(path): path.lstat() for path in root.rglob("*")}
    return {path: (s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats.items()}


def sql(statement: str) -> Callable[[Path], None]:
    """Make a change to the library by this statement."""

    def change(root: Path) -> None:
        with closing(sqlite3.connect(root / CATALOG)) as catalog, catalog:
            catalog.execute(statement)

    return change


def written(name: str, content: bytes) -> Callable[[Path], None]:
    """Make a change that writes a file."""

    def change(root: Path) -> None:
        (root / name).write_bytes(content)

    return change


def in_place_of(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Make a change that puts something else in a file's place."""

    def change(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        make(root / name)

    return change


async def test_a_healthy_root_is_green_and_left_alone(root: Path) -> None:
    """What a trainer and a forge leave is green, and looking changes no file."""
    before = snapshot(root)
    assert await verdicts(section(root), deadline=SOON_S) == GREEN
    assert snapshot(root) == before


PENDING = {"E-URZ-1": "FAIL pending", "E-REC-2b": "FAIL pending", "E-UP-4": "FAIL pending"}
UNREADABLE = {
    "E-URZ-1": "FAIL wal-unreadable",
    "E-REC-2b": "FAIL wal-unreadable",
    "E-UP-4": "FAIL wal-unreadable",
}
BAD = {"E-URZ-3": "FAIL artifact-bad", "E-REC-2b": "FAIL artifact-bad", "E-UP-4": "FAIL artifact-bad"}
LIBRARY_BAD = {
    "E-URZ-3": "FAIL library-unreadable",
    "E-REC-2b": "FAIL library-unreadable",
    "E-UP-4": "FAIL library-unreadable",
}
ODD = dict.fromkeys(("E-URZ-3", "E-REC-2b", "E-UP-4"), "UNKNOWN unexpected-reply")
WAL_ODD = dict.fromkeys(("E-URZ-1", "E-URZ-2", "E-REC-2b", "E-UP-4"), "UNKNOWN unexpected-reply")
FILES = [
    case(written(LOG, b""), {"E-TAM-1": "FAIL no-report"}, id="log of 0 bytes"),
    case(written(LOG, os.urandom(5000)), {"E-TAM-1": "FAIL garbage"}, id="log of noise"),
    case(written(LOG, bytes(5_000_000)), {"E-TAM-1": "FAIL garbage"}, id="log of zeros"),
    case(in_place_of(LOG, Path.mkdir), {"E-TAM-1": "FAIL not-a-file"}, id="log is a folder"),
    case(in_place_of(LOG, os.mkfifo), {"E-TAM-1": "FAIL not-a-file"}, id="log is a pipe that nobody writes"),
    case(
        in_place_of(LOG, lambda p: p.symlink_to("/dev/zero")),
        {"E-TAM-1": "FAIL not-a-file"},
        id="log is endless",
    ),
    case(written(WAL, b"[]"), UNREADABLE, id="forge log []"),
    case(written(WAL, b"{}"), UNREADABLE, id="forge log {}"),
    case(written(WAL, b""), UNREADABLE, id="forge log of 0 bytes"),
    case(written(WAL, b"\x1b[31m" * 100_000), UNREADABLE, id="forge log of terminal escapes"),
    case(written(WAL, b'{"pending": []}'), {}, id="forge log with nothing pending"),
    case(
        written(WAL, b'{"pending": ["../../etc/passwd\\u001b[2J"]}'), PENDING, id="forge log with an odd id"
    ),
    case(in_place_of(WAL, os.mkfifo), WAL_ODD, id="forge log is a pipe"),
    case(in_place_of(COMPILER, Path.mkdir), WAL_ODD, id="compiler log is a folder"),
    case(written(ARTIFACT, b""), BAD, id="artifact of 0 bytes"),
    case(in_place_of(ARTIFACT, os.mkfifo), BAD, id="artifact is a pipe"),
    case(in_place_of(ARTIFACT, lambda p: p.symlink_to("/dev/zero")), BAD, id="artifact is endless"),
    case(written(ARTIFACT, bytes(9 << 20)), ODD, id="artifact of 9 MiB"),
    case(
        sql("UPDATE blueprints SET artifact_path = '/etc/passwd' WHERE blueprint_id = 'BP007'"),
        BAD,
        id="row that points elsewhere",
    ),
    case(
        sql(
            "UPDATE blueprints SET artifact_path = 'a' || char(10) || 'b$(touch x)' WHERE blueprint_id = 'BP007'"
        ),
        BAD,
        id="row with a path that a shell would run",
    ),
    case(
        sql("UPDATE blueprints SET artifact_path = x'00' WHERE blueprint_id = 'BP007'"),
        BAD,
        id="row with a blob for a path",
    ),
    case(
        sql("DELETE FROM blueprints"),
        {"E-URZ-3": "FAIL orphan", "E-REC-2b": "FAIL orphan", "E-UP-4": "FAIL orphan"},
        id="library without rows",
    ),
    case(sql("ALTER TABLE blueprints RENAME TO kernels"), ODD, id="library of another schema"),
    case(written(CATALOG, b""), LIBRARY_BAD, id="library of 0 bytes"),
    case(written(CATALOG, b"PK\x03\x04" * 1000), LIBRARY_BAD, id="library that is no SQLite"),
    case(in_place_of(CATALOG, Path.mkdir), LIBRARY_BAD, id="library is a folder"),
    case(in_place_of(CATALOG, lambda _: None), LIBRARY_BAD, id="library is gone, artifacts are there"),
    case(written(CATALOG, bytes(17 << 20)), ODD, id="library of 17 MiB"),
]


@pytest.mark.parametrize(("change", "expected"), FILES)
async def test_a_bad_file(root: Path, change: Callable[[Path], None], expected: dict[str, str]) -> None:
    """A file of another kind, size or content turns exactly the rows that read it, soon, and is left as it is."""
    change(root)
    before, began = snapshot(root), time.monotonic()
    assert await verdicts(section(root), deadline=SOON_S) == {**GREEN, **expected}
    assert time.monotonic() - began < SOON_S
    assert snapshot(root) == before


async def test_a_locked_library_is_read_all_the_same(root: Path) -> None:
    """Another program's exclusive lock neither blocks looking nor is touched by it."""
    with closing(sqlite3.connect(root / CATALOG, isolation_level=None)) as catalog:
        catalog.execute("BEGIN EXCLUSIVE")
        assert (await verdicts(section(root), deadline=SOON_S))["E-URZ-3"] == "PASS matches"
        catalog.execute("ROLLBACK")


async def test_an_empty_root_is_never_green(tmp_path: Path) -> None:
    """Under a root with nothing in it a running program has no log, and nothing else was looked at."""
    seen = await verdicts(section(tmp_path), deadline=SOON_S)
    assert seen.pop("E-TAM-1") == "FAIL missing"
    assert seen == {
        "E-URZ-1": "UNKNOWN precondition",
        "E-URZ-2": "UNKNOWN precondition",
        "E-URZ-3": "UNKNOWN empty",
        "E-REC-2b": "UNKNOWN precondition",
        "E-UP-4": "UNKNOWN precondition",
    }
    idle = await verdicts(section(tmp_path, workload="idle"), deadline=SOON_S)
    assert idle["E-TAM-1"] == "UNKNOWN no-log"


async def test_a_root_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    """A root that does not exist is a precondition, for every row."""
    seen = await verdicts(section(tmp_path / "none"), deadline=SOON_S)
    assert set(seen.values()) == {"UNKNOWN precondition"}
    assert seen.keys() == GREEN.keys()


@pytest.mark.parametrize(
    ("workload", "verdict"), [("running", "FAIL stale"), ("idle", "PASS whole"), ("window", "PASS whole")]
)
async def test_age_is_judged_while_training_runs(root: Path, workload: str, verdict: str) -> None:
    """An old log is stale where the target says that the workload is running; otherwise its age is only shown."""
    report = messages.report(0, 0)
    report.issued_at.FromDatetime(datetime.now(UTC) - timedelta(hours=2))
    (root / LOG).unlink()
    FieldReportLog(root / LOG).append(report)
    assert (await verdicts(section(root, workload=workload), deadline=SOON_S))["E-TAM-1"] == verdict


@pytest.fixture
def oddly_named(root: Path) -> Path:
    """Give such a root with a name that a shell would read as something else."""
    return root.rename(root.parent / '-it\'s $(touch here); "odd" %s')


async def test_a_root_with_an_odd_name_is_quoted(oddly_named: Path) -> None:
    """Spaces, quotes, dollars and a leading dash in the root's name are a name and nothing more."""
    assert await verdicts(section(oddly_named), deadline=SOON_S) == GREEN


async def test_a_log_longer_than_is_read_is_not_called_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past its bound a log is UNKNOWN, not whole; what is wrong before the bound is FAIL all the same."""
    monkeypatch.setattr("systems.esper.forge.client._MOST_OF_A_LOG", 200)
    assert (await verdicts(section(root), deadline=SOON_S))["E-TAM-1"] == "UNKNOWN not-read-to-its-end"
    written(LOG, b"\xff" * 5000)(root)
    assert (await verdicts(section(root), deadline=SOON_S))["E-TAM-1"] == "FAIL garbage"


async def test_a_torn_tail_is_read_once_more(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is being written when it is first read is not torn."""
    with (root / LOG).open("rb") as log:
        whole = log.read()
    written(LOG, whole[:-20])(root)
    assert (await verdicts(section(root), deadline=SOON_S))["E-TAM-1"] == "FAIL torn-tail"
    monkeypatch.setattr("systems.esper.forge.client.time.sleep", lambda _: written(LOG, whole)(root))
    assert (await verdicts(section(root), deadline=SOON_S))["E-TAM-1"] == "PASS whole"


async def test_a_forge_at_work_is_unknown_and_one_that_stands_still_is_not(root: Path) -> None:
    """A log that moves between two samples is a forge at work, which is not judged; one that stays is FAIL."""
    written(WAL, b'{"pending": ["BP049", "BP050"]}')(root)
    still = await verdicts(section(root), deadline=SOON_S)
    assert (still["E-URZ-1"], still["E-URZ-2"]) == ("FAIL pending", "PASS clean")
    moving = section(root, limits={**LIMITS, "window": 1})
    asyncio.get_running_loop().call_later(0.6, written(WAL, b'{"pending": ["BP050"]}'), root)
    seen = await verdicts(moving, deadline=SOON_S)
    assert {seen["E-URZ-1"], seen["E-URZ-2"]} == {"UNKNOWN forge-at-work"}
    asyncio.get_running_loop().call_later(0.6, (root / WAL).unlink)
    assert (await verdicts(moving, deadline=SOON_S))["E-URZ-1"] == "PASS nothing-pending"

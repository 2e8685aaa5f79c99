"""What the forge leaves on disk: any bytes as a log, an artifact or a library get a verdict, and nothing is unpickled."""

from __future__ import annotations

import io
import json
import pickle
import re
import sqlite3
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.esper.twin.forge import CATALOGUE, Compiler, ForgeProgram, LibraryFolder
from opsverify.model.observation import ErrorKind, Unobservable
from systems.esper.forge.library_file import NoLibrary, library_rows
from systems.esper.forge.wal_files import artifact_problem, forge_wal, left_wal

if TYPE_CHECKING:
    from pathlib import Path

WAL = "var/urza/forge_wal.json"


def built(folder: Path, statements: str) -> bytes:
    """Build a database and return its file's bytes."""
    path = folder / "catalog.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(statements)
    return path.read_bytes()


MANY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO blueprints SELECT i, '', '', '', '' FROM n;"""
ODD = "INSERT INTO blueprints VALUES (x'00ff', 1, NULL, 2.5, '');"
TABLE = "CREATE TABLE blueprints (blueprint_id TEXT PRIMARY KEY, name, tier, artifact_path, metadata_json);"
ROW = "INSERT INTO blueprints VALUES ('BP001', 'one', 'SAFE', 'var/urza/BP001.pt', '{}');"


def artifact(content: bytes = b"a kernel" * 100) -> bytes:
    """Build a zip archive as torch writes it: stored, not compressed."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("BP001/data.pkl", content)
    return written.getvalue()


def test_a_forge_wal_names_what_is_pending() -> None:
    """Pending ids come back in their order; an absent log and an empty list name none."""
    seen = forge_wal(WAL, b'{"pending": ["BP014", "BP015"]}')
    assert (seen.present, seen.problem, seen.pending) == (True, "", ("BP014", "BP015"))
    assert forge_wal(WAL, b'{"pending": []}').problem == ""
    assert not forge_wal(WAL, None).present


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", r"it is empty \(0 bytes\)"),
        (b" \n", "it is empty"),
        (b"[]", "it is not an object"),
        (b"{}", "no list of pending ids: no pending"),
        (b'{"pending": "BP014"}', "no list of pending ids"),
        (b'{"pending": [14]}', "no list of pending ids"),
        (b'{"pending": null}', "no list of pending ids"),
        (b'{"pending": ["BP0', "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[" * 60_000, "it is not JSON"),
        (b'{"pending": ' + json.dumps(["BP001"] * 2000).encode() + b"}", "more than any catalogue has"),
    ],
)
def test_a_forge_wal_that_is_none_says_why(content: bytes, problem: str) -> None:
    """Every log that no forge wrote to its end has a problem, in words."""
    seen = forge_wal(WAL, content)
    assert seen.present
    assert re.search(problem, seen.problem), seen.problem


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    ).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_make_a_log_raise(content: bytes) -> None:
    """Any bytes are a log, or have a problem."""
    assert forge_wal(WAL, content).problem or b"pending" in content
    assert left_wal(WAL, content).problem or b"blueprint_id" in content


def test_a_left_log_names_its_blueprint() -> None:
    """The compiler's and the library's logs name one blueprint."""
    assert left_wal("x", b'{"blueprint_id": "BP014", "parameters": {}}').blueprint == "BP014"
    assert left_wal("x", b'{"parameters": {}}').problem == "it names no blueprint_id"
    assert not left_wal("x", None).present


def test_a_whole_artifact_has_no_problem() -> None:
    """A zip archive with right checksums is whole."""
    assert artifact_problem(artifact()) == ""


@given(st.integers(0, len(artifact()) - 1))
def test_an_artifact_cut_at_any_byte_is_not_whole(cut: int) -> None:
    """A cut artifact is told, wherever it was cut."""
    assert artifact_problem(artifact()[:cut])


@given(st.integers(50, 700), st.integers(1, 255))
def test_a_changed_byte_of_the_kernel_is_told(at: int, change: int) -> None:
    """The checksum finds every changed byte of the content."""
    spoilt = bytearray(artifact())
    spoilt[at] ^= change
    assert "checksum" in artifact_problem(bytes(spoilt))


@given(st.binary(max_size=400))
def test_no_bytes_make_an_artifact_raise(content: bytes) -> None:
    """Any bytes are told."""
    assert artifact_problem(content)
    assert artifact_problem(b"PK\x03\x04" + content)


def test_an_artifact_is_never_unpickled() -> None:
    """A pickle that would act when it is loaded is only checksummed."""

    class Acts:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("it was unpickled",)

    assert artifact_problem(artifact(pickle.dumps(Acts()))) == ""


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    """A member of 300 MiB in some kilobytes is refused by its own word, without being read."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert "more than 64 MiB" in artifact_problem(written.getvalue())


def test_rows_are_read_from_a_copy(tmp_path: Path) -> None:
    """Rows come back in order, from the bytes alone, also where the database is in WAL mode."""
    (row,) = library_rows(built(tmp_path, TABLE + ROW))
    assert (row.blueprint_id, row.name, row.tier, row.artifact_path) == (
        "BP001",
        "one",
        "SAFE",
        "var/urza/BP001.pt",
    )
    in_wal_mode = built(tmp_path, "PRAGMA journal_mode = WAL;")
    assert in_wal_mode[18:20] == b"\x02\x02"
    assert [r.blueprint_id for r in library_rows(in_wal_mode)] == ["BP001"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "0 bytes"),
        (b"not a database", "not an SQLite database"),
        (b"SQLite format 3\x00", "SQLite cannot read it|integrity_check"),
        (b"SQLite format 3\x00" + b"\xff" * 4080, "SQLite cannot read it|integrity_check"),
    ],
)
def test_bytes_that_are_no_library_are_told(content: bytes, told: str) -> None:
    """Bytes that SQLite cannot read are no library."""
    with pytest.raises(NoLibrary, match=told):
        library_rows(content)


@given(data=st.data())
def test_a_library_cut_or_overwritten_never_raises_anything_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A damaged database has rows, is no library, or is of another shape."""
    content = bytearray(built(tmp_path_factory.mktemp("db"), TABLE + ROW))
    at = data.draw(st.integers(0, len(content) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=64))
    content[at : at + len(noise)] = noise
    cut = data.draw(st.integers(0, len(content)))
    try:
        library_rows(bytes(content[:cut]))
    except (NoLibrary, Unobservable):
        return


@pytest.mark.parametrize(
    "statements",
    [
        "CREATE TABLE kernels (id);",
        "CREATE TABLE blueprints (id, path);",
        TABLE + MANY,
    ],
    ids=["no such table", "other columns", "far too many rows"],
)
def test_a_database_of_another_shape_is_not_judged(tmp_path: Path, statements: str) -> None:
    """Another schema, and far more rows than any catalogue, are not observed: they are not this program's."""
    with pytest.raises(Unobservable) as seen:
        library_rows(built(tmp_path, statements))
    assert seen.value.kind is ErrorKind.UNEXPECTED_REPLY


def test_values_of_other_types_are_shown(tmp_path: Path) -> None:
    """A row of numbers, blobs and nulls becomes text that says so."""
    (row,) = library_rows(built(tmp_path, TABLE + ODD))
    assert row.blueprint_id == "(bytes) b'\\x00\\xff'"
    assert row.tier == "(NoneType) None"


def test_a_view_that_never_ends_is_ended(tmp_path: Path) -> None:
    """A library whose table is a view without end is told, within seconds."""
    endless = (
        "CREATE VIEW blueprints AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS blueprint_id, i AS name, i AS tier, i AS artifact_path, i AS metadata_json FROM n;"
    )
    with pytest.raises(NoLibrary, match="interrupted"):
        library_rows(built(tmp_path, endless))


def forge(folder: Path, **failing: int) -> tuple[ForgeProgram, Compiler, LibraryFolder]:
    """Build the twin's forge in the current folder."""
    library = LibraryFolder(folder / "urza")
    compiler = Compiler(folder / "artifacts", max_retries=2, pace_s=0, failing=failing)
    return ForgeProgram(library, compiler, folder / "urza" / "forge_wal.json"), compiler, library


def test_the_twins_forge_fills_the_library_and_leaves_no_log(tmp_path: Path) -> None:
    """A run makes all 50, in three tiers, and leaves no log; a second run makes none again."""
    run, _, library = forge(tmp_path)
    run.run()
    assert library.known() == set(CATALOGUE)
    tiers = [str(d["tier"]).removeprefix("BLUEPRINT_TIER_") for d in CATALOGUE.values()]
    assert [tiers.count(tier) for tier in ("SAFE", "EXPERIMENTAL", "HIGH_RISK")] == [35, 7, 8]
    assert list(tmp_path.glob("**/*_wal.json")) == []
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "urza").glob("*.pt")}
    forge(tmp_path)[0].run()
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert {artifact_problem(path.read_bytes()) for path in made} == {""}
    assert {1500 < path.stat().st_size < 2100 for path in made} == {True}


def test_the_twins_forge_gives_up_and_goes_on_later(tmp_path: Path) -> None:
    """A blueprint that fails for good stays first in the log, the compiler's log stays, later ones are not attempted."""
    run, compiler, library = forge(tmp_path, BP003=3)
    with pytest.raises(RuntimeError, match="BP003 failed 3 times"):
        run.run()
    assert (library.known(), compiler.retries) == ({"BP001", "BP002"}, 2)
    left = forge_wal(WAL, (tmp_path / "urza" / "forge_wal.json").read_bytes())
    assert (left.pending[0], len(left.pending)) == ("BP003", 48)
    assert left_wal("x", (tmp_path / "artifacts" / "tezzeret_wal.json").read_bytes()).blueprint == "BP003"
    forge(tmp_path)[0].run()
    assert library.known() == set(CATALOGUE)
    assert list(tmp_path.glob("**/*_wal.json")) == []


def test_the_twins_forge_takes_a_torn_log_for_an_empty_one(tmp_path: Path) -> None:
    """After a torn log the forge finds by itself what the library lacks; unknown ids of a whole one are dropped."""
    LibraryFolder(tmp_path / "urza")
    wal = tmp_path / "urza" / "forge_wal.json"
    wal.write_text('{"pending": ["BP999", "BP007"]}', encoding="utf-8")
    run, _, library = forge(tmp_path)
    run.run()
    assert library.known() == {"BP007"}
    wal.write_text('{"pend', encoding="utf-8")
    forge(tmp_path)[0].run()
    assert library.known() == set(CATALOGUE)


def test_the_twins_library_replays_its_log(tmp_path: Path) -> None:
    """A save that a crash interrupted is finished at the next start where the artifact exists; else its log stays."""
    run, compiler, library = forge(tmp_path)
    wal = tmp_path / "urza" / "urza_wal.json"
    made = compiler.compile("BP005")
    entry = {"blueprint_id": "BP005", "artifact_path": str(made), "descriptor": CATALOGUE["BP005"]}
    wal.write_text(json.dumps(entry), encoding="utf-8")
    assert LibraryFolder(tmp_path / "urza").known() == {"BP005"}
    assert not wal.exists()
    wal.write_text(json.dumps({**entry, "artifact_path": str(tmp_path / "none.pt")}), encoding="utf-8")
    LibraryFolder(tmp_path / "urza")
    assert wal.exists()
    run.run()
    assert library.known() == set(CATALOGUE)

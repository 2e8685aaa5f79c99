"""When a recording speaks, and what is said where it does not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.detection import recordings
from tests.detection.parts import PARTS
from tests.detection.recordings import (
    FOLDER,
    HEALTHY,
    Unreadable,
    known,
    load,
    stale,
    unreadable,
    write_index,
)
from tests.detection.source import meaning_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART = PARTS["statehub"]
ONE, OTHER = PART.faults[:2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of one part's recordings, in the place of all."""
    shutil.copytree(FOLDER / PART.name, tmp_path / PART.name)
    monkeypatch.setattr(recordings, "FOLDER", tmp_path)
    monkeypatch.setattr(recordings, "ROOT", tmp_path)
    load.cache_clear()
    yield tmp_path / PART.name
    load.cache_clear()


def test_what_is_there_is_read(folder: Path) -> None:
    """As it lies in the repository it is neither stale nor unreadable."""
    assert folder.is_dir()
    assert (unreadable(PART, ONE), stale(PART, ONE), stale(PART, None)) == ("", "", "")


@pytest.mark.parametrize("content", [b"", b"no archive", None], ids=["empty", "garbage", "cut"])
def test_a_file_that_is_not_what_was_written_is_named(folder: Path, content: bytes | None) -> None:
    """It fails with its path and what to run, and is told as stale, so that it is recorded anew."""
    file = folder / f"{ONE.name}.json.xz"
    file.write_bytes(file.read_bytes()[:100] if content is None else content)
    assert f"{PART.name}/{ONE.name}.json.xz: not the bytes" in unreadable(PART, ONE)
    assert "tox run -e detection -- --stale" in stale(PART, ONE)
    with pytest.raises(Unreadable, match=rf"{ONE.name}.json.xz cannot be read .*--stale"):
        load(PART.name, ONE.name)


def test_two_files_that_were_exchanged_are_noticed(folder: Path) -> None:
    """The recording of one fault does not stand for another that turns the same checks."""
    one, other = folder / f"{ONE.name}.json.xz", folder / f"{OTHER.name}.json.xz"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    assert unreadable(PART, ONE)
    assert unreadable(PART, OTHER)


@pytest.mark.parametrize("gone", ["file", "entry", "index"])
def test_what_was_taken_away_is_missed(folder: Path, gone: str) -> None:
    """Without its file, its entry or the index a fault has never been recorded."""
    if gone == "file":
        (folder / f"{ONE.name}.json.xz").unlink()
    elif gone == "entry":
        write_index(PART.name, {name: entry for name, entry in known(PART.name).items() if name != ONE.name})
    else:
        (folder / "index.json").unlink()
    assert f"{PART.name}/{ONE.name}: never recorded" in unreadable(PART, ONE)


@pytest.mark.parametrize("text", ["[]", "<<<<<<< ours\n{}", '{"healthy": {"day": "2026-11-30"}}', ""])
def test_an_index_that_is_none_is_named(folder: Path, text: str) -> None:
    """Conflict markers, another shape and nothing at all are one error, with the path and what to do."""
    (folder / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(Unreadable, match=r"statehub/index.json is no index .*after a merge take either side"):
        known(PART.name)


def test_an_observation_whose_source_changed_is_not_taken_from_health(folder: Path) -> None:
    """Checks that ask for it are not judged by a recording that has it from there; the others are."""
    index = known(PART.name)
    sources = index[HEALTHY].source
    assert isinstance(sources, dict)
    as_in_health = {fault: sources.keys() - load(PART.name, fault.name).saved.keys() for fault in PART.faults}
    fault, changed = next((fault, min(names)) for fault, names in as_in_health.items() if names)
    index[HEALTHY].source = sources | {changed: "another"}
    write_index(PART.name, index)
    assert folder.is_dir()
    assert changed in stale(PART, None)
    assert stale(PART, fault) == ""
    asking = {check.id for check in PART.checks.values() if changed in check.asks}
    assert asking
    assert load(PART.name, fault.name).outcomes.keys() == PART.checks.keys() - asking


SOURCE = """
import os
from a import b

def f(x):
    '''Say it.'''
    # why
    return f"{x:{os.sep}}" or None
"""


def test_what_runs_counts_and_nothing_else() -> None:
    """Comments, docstrings, imports and layout change no digest; a constant does. It is the same for every Python."""
    same = SOURCE.replace("Say it.", "Tell.").replace("# why", "").replace("from a import", "from c import")
    assert meaning_of(same) == meaning_of(SOURCE)
    assert meaning_of(SOURCE.replace("None", '""')) != meaning_of(SOURCE)
    assert meaning_of(SOURCE).startswith("4a0606ecebea")

"""What outlives a run: locks and the ledger of changes."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from opsverify.run.lock import Ledger, TargetBusy, TargetLock, state_folder, sweep_dead_twins, write_whole

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("OPSVERIFY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_state_folder_is_made(folder: Path) -> None:
    """The folder that the environment names is used and made."""
    assert state_folder() == folder
    assert folder.is_dir()


def test_a_change_goes_through_the_ledger() -> None:
    """A change is in force from before it is made until its undoing was seen, also for a later run."""
    ledger = Ledger("key", "run-1", owned=False)
    assert ledger.in_force() == []
    first = ledger.enter("dark", before="100", by_hand="screw in another bulb")
    later = Ledger("key", "run-2", owned=False)
    assert later.in_force() == [first]
    assert (first.run, first.before, first.left, first.by_hand) == (
        "run-1",
        "100",
        "(about to be changed)",
        "screw in another bulb",
    )
    second = ledger.enter("stuck", before="a", by_hand="-")
    assert ledger.left(first, "0").left == "0"
    assert [(c.id, c.left) for c in later.in_force()] == [
        (first.id, "0"),
        (second.id, "(about to be changed)"),
    ]
    later.settle(first)
    assert ledger.in_force() == [second]
    ledger.settle(second)
    assert later.in_force() == []


def test_ledgers_of_two_targets_do_not_mix() -> None:
    """A change on one target is no change on another."""
    Ledger("one", "run", owned=False).enter("dark", before="", by_hand="")
    assert Ledger("other", "run", owned=False).in_force() == []


def test_a_change_is_on_disk_before_it_is_made(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The ledger is synchronised to disk and complete at every moment: another file takes its place in one
    step.
    """
    synced: list[bytes] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append((folder / "ledger" / "key.new").read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    change = Ledger("key", "run", owned=False).enter("dark", before="100", by_hand="")
    assert [json.loads(each)[0]["id"] for each in synced] == [change.id]
    assert (state_folder("ledger") / "key.json").read_bytes() == synced[0]
    assert not (folder / "ledger" / "key.new").exists()


@pytest.mark.parametrize("damage", ["", "[{", '[{"id": "x"}]', "{}", "null"])
def test_a_damaged_ledger_is_not_an_empty_one(damage: str, folder: Path) -> None:
    """A ledger that cannot be read says so; nothing is written over it."""
    ledger = Ledger("key", "run", owned=False)
    file = state_folder("ledger") / "key.json"
    file.write_text(damage, encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged"):
        ledger.in_force()
    with pytest.raises(ValueError, match="is damaged"):
        ledger.enter("dark", before="", by_hand="")
    assert file.read_text(encoding="utf-8") == damage


def test_one_run_at_a_time() -> None:
    """A second run is told which run holds the target, in which process and since when; afterwards it may
    have it.
    """
    first, second = TargetLock("key", "run-1"), TargetLock("key", "run-2")
    first.acquire()
    with pytest.raises(TargetBusy, match=rf"^held by run run-1 \(pid {os.getpid()} on .+\) since 20\d\d-"):
        second.acquire()
    TargetLock("another", "run-3").acquire()
    second.release()
    with pytest.raises(TargetBusy):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


@pytest.mark.parametrize(
    "left",
    [
        None,
        "",
        '{"run": 1}',
        "[]",
    ],
)
def test_a_holder_that_has_not_said_who_it_is(left: str | None, folder: Path) -> None:
    """A lock is busy also where its holder's note is missing or damaged."""
    first = TargetLock("key", "run-1")
    first.acquire()
    note = folder / "locks" / "key.json"
    note.unlink()
    if left is not None:
        note.write_text(left, encoding="utf-8")
    with pytest.raises(TargetBusy, match="held by a run that has not written its id yet"):
        TargetLock("key", "run-2").acquire()
    first.release()


def test_two_writers_of_one_file_leave_one_whole(tmp_path: Path) -> None:
    """A record that several runs write at once is always that of one of them, and nothing is left beside it."""
    place, texts = tmp_path / "deep" / "record.json", [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(write_whole, [place] * 160, texts * 20))
    assert place.read_text(encoding="utf-8") in texts
    assert [path.name for path in place.parent.iterdir()] == ["record.json"]


def test_two_sweeps_at_once_say_it_once() -> None:
    """What another run has swept a moment before is no damaged ledger."""
    Ledger("twin-dead", "dead", owned=True).enter("dark", before="", by_hand="")
    with ThreadPoolExecutor() as pool:
        told = [line for found in pool.map(lambda _: sweep_dead_twins(), range(8)) for line in found]
    assert told == ["run dead was killed with dark in force on its own twin, which ended with it"]

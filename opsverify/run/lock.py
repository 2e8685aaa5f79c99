"""State that outlives a run: the lock of each target, and the ledger of what is changed on it right now."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import platformdirs
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Ledger",
    "LedgerEntry",
    "Lock",
    "StateError",
    "TargetBusy",
    "TargetLock",
    "prepare_state",
    "state_folder",
    "sweep_dead_twins",
    "twin_key",
    "write_whole",
]

_TWIN = "twin-"
VARIABLE = "OPSVERIFY_STATE"


class StateError(Exception):
    """The state folder cannot be used. The message names it, says why, and how to have another."""

    def __init__(self, folder: Path | str, why: str) -> None:
        super().__init__(
            f"the state folder {folder} cannot be used: {why}; set {VARIABLE} to a folder that this user can write to"
        )


def state_folder(*parts: str) -> Path:
    """The user's state folder of this program, or a folder in it, made where it is missing; `OPSVERIFY_STATE` moves it.

    Raises:
        StateError: it cannot be made, or the user has no home.
    """
    chosen = os.environ.get(VARIABLE)
    folder = Path(chosen) if chosen else platformdirs.user_state_path("opsverify")
    if not chosen and (os.environ.get("HOME") == "" or not folder.is_absolute()):
        raise StateError(folder, "there is no home folder (HOME)")
    folder = folder.absolute().joinpath(*parts)
    with _usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare_state() -> None:
    """Make sure, before anything is looked at, that what outlives the run can be written.

    Raises:
        StateError: it cannot: closed to this user, read-only, full, not a folder.
    """
    for name in ("locks", "ledger"):
        folder = state_folder(name)
        trial = folder / f".{uuid4().hex}"
        with _usable(folder):
            try:
                trial.write_bytes(b"x" * 4096)
            finally:
                trial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically, also against concurrent writers. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except Timeout:  # of a lock that is held: an OSError, too
        raise
    except OSError as error:
        raise StateError(folder, error.strerror or str(error)) from None


class Lock(Protocol):
    """What keeps other runs off a target."""

    @property
    def run_id(self) -> str:
        """The run that takes the target."""

    def acquire(self) -> None:
        """Take it. Raises TargetBusy."""

    def release(self) -> None:
        """Release it."""


class TargetBusy(Exception):
    """Another run holds the target's lock. The message says who and since when."""


class TargetLock:
    """One run at a time for a live target, by its identity. The kernel frees the lock when the process ends."""

    def __init__(self, key: str, run_id: str) -> None:
        self._key, self.run_id = key, run_id
        self._lock: FileLock | None = None

    def acquire(self) -> None:
        """Take the lock. Raises TargetBusy, or StateError where there can be none."""
        folder = state_folder("locks")
        lock = FileLock(folder / f"{self._key}.lock", timeout=0)
        try:
            with _usable(folder):
                lock.acquire()
                self._lock = lock
                since = datetime.now(UTC).isoformat(timespec="seconds")
                record = {
                    "run": self.run_id,
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "since": since,
                }
                self._holder(lock).write_text(json.dumps(record), encoding="utf-8")
        except Timeout:
            try:
                holder = json.loads(self._holder(lock).read_text(encoding="utf-8"))
                holder_text = (
                    f"run {holder['run']} (pid {holder['pid']} on {holder['host']}) since {holder['since']}"
                )
            except (OSError, ValueError, KeyError, TypeError):
                holder_text = "a run that has not written its id yet"
            msg = f"held by {holder_text}"
            raise TargetBusy(msg) from None

    @staticmethod
    def _holder(lock: FileLock) -> Path:
        return Path(lock.lock_file).with_suffix(".json")

    def release(self) -> None:
        """Release the lock."""
        if self._lock is None or not self._lock.is_locked:
            return
        try:
            self._holder(self._lock).unlink(missing_ok=True)
            if self._key.startswith(_TWIN):  # no other run will ever ask for it
                Path(self._lock.lock_file).unlink(missing_ok=True)
        finally:
            self._lock.release()


class LedgerEntry(BaseModel):
    """Something that a fault or an action has changed and that is not undone yet.

    `before` and `left` are the observed states; `by_hand` is the command for a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    run: str
    name: str
    before: str
    left: str
    by_hand: str
    owned: bool
    at: datetime


_CHANGES = TypeAdapter(list[LedgerEntry])


class Ledger:
    """Changes in force on one target, on disk before they are in force, and removed once their undo was observed."""

    def __init__(self, key: str, run_id: str, *, owned: bool) -> None:
        self._key, self._run, self._owned = key, run_id, owned

    @cached_property
    def _path(self) -> Path:
        return state_folder("ledger") / f"{self._key}.json"

    @cached_property
    def _lock(self) -> FileLock:
        return FileLock(self._path.with_suffix(".lock"), timeout=10)

    def in_force(self) -> list[LedgerEntry]:
        """What the ledger holds. Raises OSError or ValueError where it cannot be read (then nothing is known)."""
        if not self._path.exists():
            return []
        try:
            return _CHANGES.validate_json(self._path.read_bytes())
        except ValidationError as error:
            msg = f"ledger {self._path} is damaged ({error.error_count()} errors); read it, then move it away"
            raise ValueError(msg) from None

    def enter(self, name: str, *, before: str, by_hand: str) -> LedgerEntry:
        """Write down, durably, what is about to be changed."""
        change = LedgerEntry(
            id=uuid4().hex[:12],
            run=self._run,
            name=name,
            before=before,
            left="(about to be changed)",
            by_hand=by_hand,
            owned=self._owned,
            at=datetime.now(UTC),
        )
        self._update(lambda held: [*held, change])
        return change

    def left(self, change: LedgerEntry, left: str) -> LedgerEntry:
        """Write down the state that the change left; undoing compares with it."""
        new = change.model_copy(update={"left": left})
        self._update(lambda held: [new if c.id == change.id else c for c in held])
        return new

    def settle(self, change: LedgerEntry) -> None:
        """Remove a change whose undo was observed."""
        self._update(lambda held: [c for c in held if c.id != change.id])

    def _update(self, edit: Callable[[list[LedgerEntry]], list[LedgerEntry]]) -> None:
        with self._lock:
            held = edit(self.in_force())
            fresh = self._path.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(_CHANGES.dump_json(held, indent=1))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            if not held:
                self._path.unlink()

    def discard(self) -> None:
        """Remove the lock file of a ledger without changes; for a twin whose run ends."""
        if not self._path.exists():
            Path(self._lock.lock_file).unlink(missing_ok=True)


def twin_key(run_id: str) -> str:
    """The key of a run's own twins: no other run shares it."""
    return f"{_TWIN}{run_id}"


def sweep_dead_twins() -> list[str]:
    """Remove the ledgers that killed runs left for twins of their own; returns a warning for each.

    Such a twin ended with its run (the guard saw to it), so there is nothing left to undo. Runs whose lock is held
    are alive and not touched.
    """
    warnings = []
    for path in sorted(state_folder("ledger").glob(f"{_TWIN}*.json")):
        lock = TargetLock(path.stem, "sweep")
        try:
            lock.acquire()
        except (TargetBusy, StateError):  # alive, or another user's
            continue
        try:
            if (swept := _swept(path)) is not None:
                warnings.append(swept)
        finally:
            lock.release()
    return warnings


def _swept(path: Path) -> str | None:
    """Remove a dead run's ledger; returns the warning, or None where another run removed it first."""
    run = path.stem.removeprefix(_TWIN)
    try:
        changes = _CHANGES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        warning = f"run {run} was killed and left a damaged ledger behind: {type(error).__name__}"
    else:
        names = ", ".join(change.name for change in changes)
        warning = f"run {run} was killed with {names} in force on its own twin, which ended with it"
    try:
        path.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)
    except OSError as error:
        return f"{warning}; {path} cannot be removed: {error.strerror}"
    return warning

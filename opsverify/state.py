"""What outlives a run: the lock of each target, and the ledger of what is changed on it right now."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import platformdirs
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Change",
    "Ledger",
    "Lock",
    "TargetBusy",
    "TargetLock",
    "state_folder",
    "sweep_dead_twins",
    "twin_key",
]

_TWIN = "twin-"


def state_folder() -> Path:
    """The user's state folder of this program; `OPSVERIFY_STATE` moves it."""
    chosen = os.environ.get("OPSVERIFY_STATE")
    folder = Path(chosen) if chosen else platformdirs.user_state_path("opsverify")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Lock(Protocol):
    """What keeps other runs off a target."""

    @property
    def run_id(self) -> str:
        """The run that takes the target."""

    def acquire(self) -> None:
        """Take it. Raises TargetBusy."""

    def release(self) -> None:
        """Give it back."""


class TargetBusy(Exception):
    """Another run holds the target's lock. The message says who and since when."""


class TargetLock:
    """One run at a time for a live target, by its identity. The kernel frees the lock when the process ends."""

    def __init__(self, key: str, run_id: str) -> None:
        self._key = key
        folder = state_folder() / "locks"
        folder.mkdir(exist_ok=True)
        self._lock = FileLock(folder / f"{key}.lock", timeout=0)
        self._holder = folder / f"{key}.json"
        self.run_id = run_id

    def acquire(self) -> None:
        """Take the lock. Raises TargetBusy."""
        try:
            self._lock.acquire()
        except Timeout:
            try:
                holder = json.loads(self._holder.read_text(encoding="utf-8"))
                who = f"run {holder['run']} (pid {holder['pid']} on {holder['host']}) since {holder['since']}"
            except (OSError, ValueError, KeyError, TypeError):
                who = "a run that has not said who it is yet"
            msg = f"held by {who}"
            raise TargetBusy(msg) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"run": self.run_id, "pid": os.getpid(), "host": socket.gethostname(), "since": since}
        self._holder.write_text(json.dumps(holder), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            if self._key.startswith(_TWIN):  # nobody else will ever ask for it
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()


class Change(BaseModel):
    """Something that a fault or an action has changed and that is not undone yet.

    `before` and `left` are the observed states; `by_hand` is the command for a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    run: str
    name: str
    before: str
    left: str
    by_hand: str
    owned: bool
    at: datetime


_CHANGES = TypeAdapter(list[Change])


class Ledger:
    """Changes in force on one target, on disk before they are in force, and gone once their undoing was seen."""

    def __init__(self, key: str, run_id: str, *, owned: bool) -> None:
        folder = state_folder() / "ledger"
        folder.mkdir(exist_ok=True)
        self._path = folder / f"{key}.json"
        self._run, self._owned = run_id, owned
        self._lock = FileLock(folder / f"{key}.lock", timeout=10)

    def in_force(self) -> list[Change]:
        """What the ledger holds. Raises OSError or ValueError where it cannot be read (then nothing is known)."""
        if not self._path.exists():
            return []
        try:
            return _CHANGES.validate_json(self._path.read_bytes())
        except ValidationError as error:
            msg = f"ledger {self._path} is damaged ({error.error_count()} errors); read it, then move it away"
            raise ValueError(msg) from None

    def enter(self, name: str, *, before: str, by_hand: str) -> Change:
        """Write down, durably, what is about to be changed."""
        change = Change(
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

    def left(self, change: Change, left: str) -> Change:
        """Write down the state that the change left; undoing compares with it."""
        new = change.model_copy(update={"left": left})
        self._update(lambda held: [new if c.id == change.id else c for c in held])
        return new

    def settle(self, change: Change) -> None:
        """Strike out what was seen to be undone."""
        self._update(lambda held: [c for c in held if c.id != change.id])

    def _update(self, edit: Callable[[list[Change]], list[Change]]) -> None:
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
        """Remove what this ledger keeps on disk beside its changes; for a twin whose run ends."""
        if not self._path.exists():
            Path(self._lock.lock_file).unlink(missing_ok=True)


def twin_key(run_id: str) -> str:
    """The key of a run's own twins: no other run shares it."""
    return f"{_TWIN}{run_id}"


def sweep_dead_twins() -> list[str]:
    """Strike out what runs that are dead left in force on twins of their own, and say what that was.

    Such a twin ended with its run (the guard saw to it), so there is nothing left to undo. Runs whose lock is held
    are alive and not touched.
    """
    told = []
    for path in sorted((state_folder() / "ledger").glob(f"{_TWIN}*.json")):
        lock = TargetLock(path.stem, "sweep")
        try:
            lock.acquire()
        except TargetBusy:
            continue
        try:
            changes = _CHANGES.validate_json(path.read_bytes())
            names = ", ".join(change.name for change in changes)
            told.append(
                f"run {path.stem.removeprefix(_TWIN)} was killed with {names} in force on its own twin, which ended with it"
            )
        except (OSError, ValidationError) as error:
            told.append(
                f"run {path.stem.removeprefix(_TWIN)} was killed and left a damaged ledger behind: {type(error).__name__}"
            )
        path.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)
        lock.release()
    return told

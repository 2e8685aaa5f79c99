"""Reads a saved run back, so that it can be judged again: elsewhere, later, or with other limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from opsverify.evidence.bundle import BundleError, is_bundle, read_member
from opsverify.evidence.journal import JOURNAL_FORMAT
from opsverify.model.observation import ErrorKind, Observation, Unobservable
from opsverify.model.text import seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from opsverify.model.observation import ObservationSpec

__all__ = ["ReplayError", "SavedRun", "load_run"]


class ReplayError(Exception):
    """A saved run cannot be judged again. The message names file, line, and what is wrong."""


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a journal holds: the run's own record, its observations by name, and whether it was written to its end."""

    run: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]
    whole: bool

    def observations(self, specs: Iterable[ObservationSpec]) -> dict[str, Observation[Any]]:
        """The saved observations of `specs`; what the run did not save is not observed."""
        return {spec.name: self._observation(spec) for spec in specs}

    def _observation(self, spec: ObservationSpec) -> Observation[Any]:
        saved = self.records.get(spec.name)
        if saved is None:
            cut = "" if self.whole else "; the journal was cut before its end"
            started = datetime.fromisoformat(self.run["at"])
            missing = Unobservable(
                ErrorKind.PRECONDITION, f"the saved run holds no observation {spec.name!r}{cut}"
            )
            return Observation(spec.name, spec.system, spec.surfaces, missing, started)
        trouble = saved.get("unobservable")
        outcome: Any
        if trouble:
            outcome = Unobservable(ErrorKind(trouble["kind"]), trouble["seen"])
        elif "not_saved" in saved:
            outcome = Unobservable(
                ErrorKind.PRECONDITION, f"the saved run holds no value of {spec.name!r}: {saved['not_saved']}"
            )
        else:
            try:
                outcome = spec.adapter.validate_json(json.dumps(saved["value"]))
            except ValidationError as error:
                reason = f"the saved value of {spec.name!r} does not fit this version's model: {error.errors()[0]['msg']}"
                outcome = Unobservable(ErrorKind.UNEXPECTED_REPLY, reason)
        return Observation(
            name=spec.name,
            system=spec.system,
            surfaces=tuple(saved["surfaces"]),
            outcome=outcome,
            at=datetime.fromisoformat(saved["observed_at"]),
            took=timedelta(seconds=saved["took"]),
            source=tuple(saved["source"]),
            identity=saved["identity"],
            backend=saved["backend"],
            window=timedelta(seconds=saved["window"]),
        )


def load_run(folder: Path) -> SavedRun:
    """Read the journal of a run's folder, or of its bundle.

    Each line carries a seal over itself and all before it: a line that was changed, removed or inserted is an error. A
    journal whose end is missing is judged as far as it goes.

    Raises:
        ReplayError: no journal there, another format, a line that was tampered with, no record of the run.
    """
    path = folder / "journal.jsonl" if folder.is_dir() else folder
    try:
        whole = read_member(path, "journal.jsonl") if is_bundle(path) else path.read_bytes()
        lines = whole.splitlines(keepends=True)
    except BundleError as error:
        raise ReplayError(str(error)) from None
    except OSError as error:
        msg = f"{path}: {error.strerror}; give the folder of a run, such as reports/latest"
        raise ReplayError(msg) from None
    records, before = [], ""
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break  # cut in the middle of a line
        record = _record(line, path, number)
        seal_read = record.pop("seal", None)
        before = seal(before, json.dumps(record, sort_keys=True))
        if seal_read != before:
            msg = f"{path}, line {number}: was changed after it was written, or a line before it was removed or inserted"
            raise ReplayError(msg)
        records.append(record)
    run = next((r for r in records if r["kind"] == "run"), None)
    if run is None:
        msg = f"{path}: holds no record of a run"
        raise ReplayError(msg)
    return SavedRun(
        run=run,
        records={r["name"]: r for r in records if r["kind"] == "observation" and r.get("name")},
        whole=records[-1]["kind"] == "end",
    )


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        msg = f"{path}, line {number}: is not a journal record"
        raise ReplayError(msg)
    if number == 1 and record.get("format") != JOURNAL_FORMAT:
        msg = (
            f"{path}: has journal format {record.get('format')!r} (opsverify {record.get('opsverify', '?')}); "
            f"this version reads format {JOURNAL_FORMAT}"
        )
        raise ReplayError(msg)
    return record

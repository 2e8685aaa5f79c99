"""The journal of a run: one JSON line for each thing that happened, written as it happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsverify.model.text import as_json, seal

if TYPE_CHECKING:
    from pathlib import Path

    from opsverify.evidence.redaction import Redactor

__all__ = ["JOURNAL_FORMAT", "Journal"]

JOURNAL_FORMAT = 1

_MOST_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 64 * 1024


class Journal:
    """Append-only JSON lines, redacted, bounded, flushed line by line: a killed run loses nothing that was finished.

    A line that cannot be written is kept in `trouble` (it becomes exit status 15) and the run goes on.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self.path, self.redactor = path, redactor
        self.trouble: str | None = None
        self._seal = ""
        self._file = path.open("x", encoding="utf-8")

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record of `kind`; values must be JSON-like (see `pydantic` `mode="json"`)."""
        self.append(kind, self.redactor.data(fields))

    def append(self, kind: str, redacted: dict[str, Any]) -> None:
        """Append one record of `kind` whose values are redacted already."""
        record = {"at": datetime.now(UTC).isoformat(), "kind": kind, **redacted}
        body = as_json(record, sort_keys=True)
        if len(body) > _MOST_BYTES:
            kept = {name: value for name, value in record.items() if len(as_json(value)) < _KEPT_BYTES}
            body = as_json(
                {
                    **kept,
                    "not_saved": f"{len(body)} bytes exceed the journal's limit of {_MOST_BYTES} bytes a line",
                },
                sort_keys=True,
            )
        self._seal = seal(self._seal, body)
        try:
            self._file.write(f'{body[:-1]}, "seal": "{self._seal}"}}\n')
            self._file.flush()
        except (OSError, ValueError) as error:
            self.trouble = self.trouble or f"journal {self.path}: {error}"

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.trouble = self.trouble or f"journal {self.path}: {error}"

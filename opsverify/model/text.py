"""The journal: observations, findings and steps of a run as JSON lines, written as they happen."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from opsverify.evidence.redaction import Redactor

__all__ = [
    "JOURNAL_FORMAT",
    "Journal",
    "as_json",
    "bounded_text",
    "clean_text",
    "finite",
    "seal",
    "shortened",
]

JOURNAL_FORMAT = 1

_MOST_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 64 * 1024
_LONGEST_TEXT = 4000
# ESC sequences, then all other control characters but tab and newline: what a target sends must not drive a terminal.
_TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` without terminal escapes, control characters and lone surrogates; tab and newline stay."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _TERMINAL.sub("", text))


def bounded_text(text: str, most: int = 400) -> str:
    """At most `most` characters of cleaned `text`, saying how much was cut."""
    text = clean_text(text)
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most} more characters)"


def seal(before: str, body: str) -> str:
    """The seal of a journal line: over its text and the seal of the line before it."""
    return hashlib.sha256(f"{before}\n{body}".encode()).hexdigest()[:16]


def shortened(value: Any) -> Any:
    """JSON-like `value` with every text cut at 4,000 characters, saying how much is missing."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else bounded_text(value, _LONGEST_TEXT)
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    return [shortened(item) for item in value] if isinstance(value, list) else value


def as_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON-like `value` in one line of JSON; NaN and infinities, of which JSON has none, as texts."""
    try:
        return json.dumps(value, sort_keys=sort_keys, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(finite(value), sort_keys=sort_keys, default=str)


def finite(value: Any) -> Any:
    """JSON-like `value` with NaN and infinities as text: JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


class Journal:
    """Append-only JSON lines, redacted, bounded, flushed line by line: a killed run loses nothing that was finished.

    A line that cannot be written is remembered in `trouble` (it becomes exit status 15) and the run goes on.
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
            body = as_json({**kept, "not_saved": f"{len(body)} bytes is too much"}, sort_keys=True)
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

"""Texts from a target made safe: cleaned of control characters, bounded, and fit for JSON."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

__all__ = ["as_json", "bounded_text", "clean_text", "counted", "finite", "seal", "shortened"]
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


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as `1 round` and `2 rounds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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

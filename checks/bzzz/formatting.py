"""Formatting of sizes in BZZZ's findings."""

from __future__ import annotations

__all__ = ["in_bytes"]

_STEP = 1024


def in_bytes(size: float) -> str:
    """A size with its binary unit: 10 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _STEP:
            return f"{size:.4g} {unit}"
        size /= _STEP
    return f"{size:.4g} TiB"

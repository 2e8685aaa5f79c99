"""Where less evidence may look better: the element is the trouble itself, and who sends it leaves it out when all is well."""

from __future__ import annotations

__all__ = ["ONLY_TROUBLES"]

ONLY_TROUBLES: dict[tuple[str, str], str] = {}
"""Observation and place in it → why nobody could expect it to be there."""

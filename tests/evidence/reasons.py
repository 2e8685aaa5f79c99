"""Where less evidence may look better: the element is the trouble itself, and who sends it leaves it out when all is well."""

from __future__ import annotations

__all__ = ["ONLY_TROUBLES"]

ONLY_TROUBLES: dict[tuple[str, str], str] = {
    ("errors", ".rates.series[]"): "a component's counter of errors is there from its first error on",
    ("recovery_watched", ".fired"): "ALERTS has a series of an alert only while it fires",
    ("recovery_watched", ".fired[]"): "ALERTS has a series of an alert only while it fires",
}
"""Observation and place in it → why nobody could expect it to be there."""

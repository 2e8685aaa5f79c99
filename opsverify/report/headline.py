"""The first line of every report: the exit status in words, and what was not looked at, by severity and cause."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.report.model import NotLookedAt

__all__ = ["DID_NOT_RUN", "gaps", "headline"]

DID_NOT_RUN = "did not run"
"""The cause of what a profile requires and the run did not come to."""


def headline(meaning: str, not_looked_at: Iterable[NotLookedAt], only: Iterable[str] = ()) -> str:
    """`meaning`, the part of the target that it is about, and what was not looked at."""
    part = ", ".join(only)
    return " · ".join([meaning, *([f"only {part}"] if part else []), *gaps(not_looked_at)])


def gaps(not_looked_at: Iterable[NotLookedAt]) -> list[str]:
    """One phrase for each cause, such as `2 P0 and 4 P1 not looked at: no Prometheus on this machine`; the most severe first."""
    by_cause: dict[str, Counter[str]] = {}
    for check in sorted(not_looked_at, key=lambda each: (each.severity or "P9", each.id)):
        by_cause.setdefault(check.cause, Counter())[check.severity or "uncollected"] += 1
    return [
        f"{_listed(counts)} not looked at{f': {cause}' if cause else ''}"
        for cause, counts in by_cause.items()
    ]


def _listed(counts: Counter[str]) -> str:
    *most, last = (f"{count} {severity}" for severity, count in sorted(counts.items()))
    return f"{', '.join(most)} and {last}" if most else last

"""A run's checks by subsystem, worst first: what the terminal and the page both show."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify.model.verdict import Verdict

if TYPE_CHECKING:
    from opsverify.report.model import CheckResult, RunReport

__all__ = ["Subsystem", "by_subsystem"]


@dataclass(frozen=True, slots=True)
class Subsystem:
    """One subsystem's checks, worst first, and the worst verdict among them."""

    system: str
    subsystem: str
    worst: Verdict
    checks: tuple[CheckResult, ...]

    @property
    def tally(self) -> str:
        """How many checks have each verdict, worst first."""
        counts = Counter(check.verdict for check in self.checks)
        return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def by_subsystem(report: RunReport) -> list[Subsystem]:
    """Every subsystem that a check of the run judges. Those with a worse check come first."""
    groups: dict[tuple[str, str], list[CheckResult]] = defaultdict(list)
    for check in report.worst_first():
        groups[check.system, check.subsystem].append(check)
    # Insertion order: each group was inserted with its worst check.
    return [Subsystem(*names, checks[0].verdict, tuple(checks)) for names, checks in groups.items()]

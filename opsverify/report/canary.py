"""The canary's states and success rates as lines for a terminal and for Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.report.model import CanarySummary, CheckState, RunReport, SubsystemRate

__all__ = ["canary_lines", "escalation", "notable_states", "overdue_lines", "rates_by_subsystem"]

_FINE = ("UP", "NEW")


def escalation(contact: str) -> str:
    """What to do about a check that is overdue."""
    return f"escalate to {contact}" if contact else "escalate (the target names no contact)"


def overdue_lines(report: RunReport) -> list[str]:
    """A line for each check that is red for longer than its severity allows, worst first."""
    states = {one.check: one for one in report.canary.states} if report.canary else {}
    return [
        f"OVERDUE {check.severity} {check.id} {check.name}: red since {one.red_since:%Y-%m-%d %H:%MZ}, resolution was due"
        f" by {one.overdue_since:%Y-%m-%d %H:%MZ} ({check.resolve_within}); {escalation(report.contact)}"
        for check in report.worst_first()
        if (one := states.get(check.id)) is not None and one.overdue_since is not None
    ]


def canary_lines(summary: CanarySummary | None) -> list[tuple[str, str]]:
    """Lines with a colour name each: checks that are not up or have just come up, and subsystems that did not always
    succeed.
    """
    if summary is None:
        return []
    lines = []
    for one in notable_states(summary):
        was = f", was {one.was}" if one.was else ""
        line = f"  {one.state:<8} {one.check:<9} since {one.since:%Y-%m-%d %H:%MZ}{was}  {one.recent}"
        lines.append((line, "green" if one.state in _FINE else "red"))
    for name, rates in rates_by_subsystem(summary).items():
        if all(rate.success == 1 for rate in rates):
            continue
        lines.append((f"  success  {name}: {', '.join(map(_rate_text, rates))}", ""))
    return lines


def notable_states(summary: CanarySummary) -> list[CheckState]:
    """States of checks that are in trouble, or have just come up from it."""
    return [
        one
        for one in summary.states
        if one.state not in _FINE or (one.state == "UP" and one.was not in (None, "NEW"))
    ]


def rates_by_subsystem(summary: CanarySummary) -> dict[str, list[SubsystemRate]]:
    """Each subsystem's success, by the name that people read, over each window."""
    named: dict[str, list[SubsystemRate]] = {}
    for rate in summary.rates:
        named.setdefault(f"{rate.system} · {rate.subsystem}", []).append(rate)
    return named


def _rate_text(rate: SubsystemRate) -> str:
    if rate.success is None or rate.budget_left is None:
        return f"{rate.window} no data"
    budget = (
        f"{rate.budget_left:.0%} of the error budget left"
        if rate.budget_left >= 0
        else "error budget exhausted"
    )
    return f"{rate.window} {rate.success:.2%} ({budget})"

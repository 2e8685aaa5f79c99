"""What the canary's history says, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsverify.report.model import CanarySummary, SubsystemRate

__all__ = ["canary_lines"]

_FINE = ("UP", "NEW")


def canary_lines(summary: CanarySummary | None) -> list[tuple[str, str]]:
    """Lines with a colour name each: checks that are not up or have just come up, and subsystems that did not always
    succeed.
    """
    if summary is None:
        return []
    lines = []
    for one in summary.states:
        came_up = one.state == "UP" and one.was not in (None, "NEW")
        if one.state in _FINE and not came_up:
            continue
        was = f", was {one.was}" if one.was else ""
        told = f"  {one.state:<8} {one.check:<9} since {one.since:%Y-%m-%d %H:%MZ}{was}  {one.recent}"
        lines.append((told, "green" if came_up else "red"))
    by_subsystem: dict[str, list[SubsystemRate]] = {}
    for rate in summary.rates:
        by_subsystem.setdefault(f"{rate.system} · {rate.subsystem}", []).append(rate)
    for name, rates in by_subsystem.items():
        if all(rate.success == 1 for rate in rates):
            continue
        lines.append((f"  success  {name}: {', '.join(map(_told, rates))}", ""))
    return lines


def _told(rate: SubsystemRate) -> str:
    if rate.success is None or rate.budget_left is None:
        return f"{rate.window} nothing seen"
    return f"{rate.window} {rate.success:.2%} ({rate.budget_left:.0%} of the error budget left)"

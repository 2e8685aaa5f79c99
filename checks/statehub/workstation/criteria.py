"""Criteria of the workstation's retired systemd timer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.formatting import by_reason, worst_first
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.statehub.workstation.models import Timer

__all__ = ["timer_off"]
_TIMER = ("active", "enabled")


def timer_off(timer: Timer) -> Finding:
    """The retired timer is neither enabled nor active, for the system and for the user."""
    troubles = []
    for unit in timer.units:
        where = f"{timer.name} ({unit.scope}) on {timer.host}"
        if unit.active:
            troubles.append(
                ("active", f"{where} is {unit.active_word}: it sweeps in addition to the cluster")
            )
        if unit.enabled:
            troubles.append(("enabled", f"{where} is {unit.enabled_word}: it starts again at boot"))
    problems = by_reason(troubles, _TIMER)
    texts = worst_first(problems)
    each = "; ".join(f"{u.scope}: {u.enabled_word}, {u.active_word}" for u in timer.units)
    lost = sorted(set(timer.scopes) - {u.scope for u in timer.units})
    return first_of(
        *(fail(reason, problems[reason]) for reason in _TIMER),
        unknown("no-scope", not timer.units),
        unknown("part-missing", lost),
        ok="off",
    ).finding(
        expected=f"{timer.name} disabled and inactive: the cluster is the only scheduler",
        observed=texts[0] if texts else each or "no systemd manager was asked",
        details=(*texts[1:], *([each] if texts else []), *(f"{scope}: not observed" for scope in lost)),
    )

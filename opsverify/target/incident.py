"""Checks of an incident: those tied to its alert, what they depend on, and what their next steps name."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from opsverify.model.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opsverify.model.check import Check
    from opsverify.model.observation import ObservationSpec

__all__ = ["Incident", "nearest", "of_alert"]

_ROW = re.compile(r"\b[A-Z]-[A-Z0-9]+-\d+[a-z]?\b")


@dataclass(frozen=True, slots=True)
class Incident:
    """What is looked at for one alert, in this order; each check stands in one of the three.

    `dependencies`: the P0 checks of the same system that look only at surfaces which a tied check looks at too: if one
    of them is red, what the others say is of little worth. `tied`: checks marked with the alert. `named`: checks that
    the next step of a tied one sends the operator to.
    """

    alert: str
    dependencies: tuple[str, ...]
    tied: tuple[str, ...]
    named: tuple[str, ...]

    def place(self, check_id: str) -> int | None:
        """Where a check stands in the order, or None if the incident does not need it."""
        order = (*self.dependencies, *self.tied, *self.named)
        return order.index(check_id) if check_id in order else None


def of_alert(
    alert: str, checks: Iterable[Check], specs_of: Callable[[Check], Iterable[ObservationSpec]]
) -> Incident:
    """What the profile incident has for `alert`.

    Raises:
        pytest.UsageError: no check of the profile is tied to it; with the alerts that there are.
    """
    by_id = {c.id: c for c in checks if "incident" in c.profiles}
    tied = [c for c in by_id.values() if c.alert == alert]
    if not tied:
        alerts = sorted({c.alert for c in by_id.values() if c.alert})
        msg = f"--incident {alert}: no check is tied to this alert{nearest(alert, alerts)}; alerts are {', '.join(alerts) or 'none'}"
        raise pytest.UsageError(msg)
    looked_at: dict[str, set[str]] = {}
    for check in tied:
        looked_at.setdefault(check.system, set()).update(_surfaces(check, specs_of))
    ids = {c.id for c in tied}
    dependencies = [
        c.id
        for c in by_id.values()
        if c.severity is Severity.P0
        and c.id not in ids
        and (own := _surfaces(c, specs_of))
        and own <= looked_at.get(c.system, set())
    ]
    return Incident(
        alert=alert,
        dependencies=tuple(dependencies),
        tied=tuple(c.id for c in tied),
        named=tuple(_named(tied, by_id, ids | set(dependencies))),
    )


def _surfaces(check: Check, specs_of: Callable[[Check], Iterable[ObservationSpec]]) -> set[str]:
    return {surface for spec in specs_of(check) for surface in spec.surfaces}


def _named(tied: Iterable[Check], by_id: Mapping[str, Check], before: set[str]) -> list[str]:
    named = dict.fromkeys(row for check in tied for row in _ROW.findall(check.next_step))
    return [row for row in named if row in by_id and row not in before]


def nearest(word: str, among: Iterable[str]) -> str:
    """The end of an error message: which of `among` was probably meant."""
    near = difflib.get_close_matches(word, list(among), n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""

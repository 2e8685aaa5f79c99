"""State of test alerts while a silence is in force: in Alertmanager, and at the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify.model.deadline import DeadlinePassed, eventually

if TYPE_CHECKING:
    from datetime import timedelta

    from systems.bzzz.client import BzzzClient

__all__ = ["SilenceState", "as_wanted", "standing", "stood"]


@dataclass(frozen=True, slots=True)
class SilenceState:
    """A test alert: its state (active, suppressed, or gone), which silences mute it, and whether its receiver was notified."""

    state: str
    silenced_by: tuple[str, ...]
    notified: bool

    def __str__(self) -> str:
        by = f" by {', '.join(self.silenced_by)}" if self.silenced_by else ""
        return f"{self.state}{by}, its receiver {'was notified' if self.notified else 'was not notified'}"


async def standing(bzzz: BzzzClient, *tests: str) -> dict[str, SilenceState]:
    """The state of the test alerts with these values of the label `opsverify`."""
    alerts = {a.labels.get("opsverify", ""): a for a in await bzzz.alertmanager.alerts('opsverify!=""')}
    notified = await bzzz.alertmanager.heard()
    return {
        test: SilenceState(
            state=alerts[test].state if test in alerts else "gone",
            silenced_by=alerts[test].silenced_by if test in alerts else (),
            notified=test in notified,
        )
        for test in tests
    }


async def stood(
    bzzz: BzzzClient, wanted: dict[str, tuple[str, bool]], *, within: timedelta
) -> dict[str, SilenceState]:
    """Wait until each test alert has its wanted state and its receiver was notified or not, at most `within`; returns
    their states then.
    """
    try:
        return await eventually(
            lambda: standing(bzzz, *wanted),
            lambda states: as_wanted(states, wanted),
            expected="the test alerts as wanted",
            within=within,
        )
    except DeadlinePassed:
        return await standing(bzzz, *wanted)


def as_wanted(states: dict[str, SilenceState], wanted: dict[str, tuple[str, bool]]) -> bool:
    """Whether each test alert has its wanted state, and its receiver was notified or not."""
    return {test: (each.state, each.notified) for test, each in states.items()} == wanted

"""What becomes of test alerts while a silence is in force: seen from Alertmanager, and from the one whom it tells."""

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
    """A test alert: its state (active, suppressed, or gone), which silences mute it, and whether its receiver was told."""

    state: str
    silenced_by: tuple[str, ...]
    told: bool

    def __str__(self) -> str:
        by = f" by {', '.join(self.silenced_by)}" if self.silenced_by else ""
        return f"{self.state}{by}, its receiver {'was told' if self.told else 'was not told'}"


async def standing(bzzz: BzzzClient, *tests: str) -> dict[str, SilenceState]:
    """How the test alerts with these values of the label `opsverify` stand."""
    found = {a.labels.get("opsverify", ""): a for a in await bzzz.alertmanager.alerts('opsverify!=""')}
    heard = await bzzz.alertmanager.heard()
    return {
        test: SilenceState(
            state=found[test].state if test in found else "gone",
            silenced_by=found[test].silenced_by if test in found else (),
            told=test in heard,
        )
        for test in tests
    }


async def stood(
    bzzz: BzzzClient, wanted: dict[str, tuple[str, bool]], *, within: timedelta
) -> dict[str, SilenceState]:
    """Wait until each test alert has its wanted state and its receiver was told or not, but no longer than `within`;
    how they stand then.
    """
    try:
        return await eventually(
            lambda: standing(bzzz, *wanted),
            lambda seen: as_wanted(seen, wanted),
            expected="the test alerts as wanted",
            within=within,
        )
    except DeadlinePassed:
        return await standing(bzzz, *wanted)


def as_wanted(seen: dict[str, SilenceState], wanted: dict[str, tuple[str, bool]]) -> bool:
    """Whether each test alert has its wanted state, and its receiver was told or not."""
    return {test: (how.state, how.told) for test, how in seen.items()} == wanted

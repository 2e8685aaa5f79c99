"""Maintenance: what the lists ask of a person, and when a backup was last restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.maintenance import criteria as maintenance
from opsverify import verify
from systems.bzzz.maintenance.lists import BY_HAND, PERIODS

if TYPE_CHECKING:
    from opsverify import Observation
    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.maintenance.models import DoneByHand, LastRestore

_LISTS = '"Scheduled Maintenance"'
_WRITE_DOWN = "do it, then write item and moment into the file that [bzzz.backups] maintenance names"


def _judged(done: Observation[DoneByHand], period: str, limits: BzzzLimits) -> Finding:
    return maintenance.done_in_time(done.value, BY_HAND[period], PERIODS[period], done.at, limits)


@pytest.mark.check(
    id="B-MNT-1",
    severity="P3",
    profiles="maintenance",
    period="weekly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_WRITE_DOWN,
)
def test_weekly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """What the weekly list asks of a person was done within the week, by that person's word."""
    verify(_judged(maintenance_by_hand, "weekly", limits))


@pytest.mark.check(
    id="B-MNT-1b",
    severity="P3",
    profiles="maintenance",
    period="monthly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_WRITE_DOWN,
)
def test_monthly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """What the monthly list asks of a person was done within the month, by that person's word."""
    verify(_judged(maintenance_by_hand, "monthly", limits))


@pytest.mark.check(
    id="B-MNT-1c",
    severity="P3",
    profiles="maintenance",
    period="quarterly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_WRITE_DOWN,
)
def test_quarterly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """What the quarterly list asks of a person was done within the quarter, by that person's word."""
    verify(_judged(maintenance_by_hand, "quarterly", limits))


@pytest.mark.check(
    id="B-MNT-2",
    severity="P1",
    profiles="maintenance",
    subsystem="database",
    runbook='"Monthly Recovery Tests"',
    next_step="run the restore check against the newest backup; a backup that was never restored is a hope",
)
def test_a_restore_was_tried_lately(last_restore: Observation[LastRestore], limits: BzzzLimits) -> None:
    """A backup was restored on trial, and found whole, in the last 31 days."""
    verify(maintenance.restored_lately(last_restore.value, last_restore.at, limits))

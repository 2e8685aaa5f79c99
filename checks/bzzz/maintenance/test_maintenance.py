"""Maintenance: the runbook's lists of work by hand, and the last trial restore."""

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
_RECORD = "do it, then write item and time into the file that [bzzz.backups] maintenance names"


def _judged(done: Observation[DoneByHand], period: str, limits: BzzzLimits) -> Finding:
    return maintenance.done_in_time(done.value, BY_HAND[period], PERIODS[period], done.at, limits)


@pytest.mark.check(
    id="B-MNT-1",
    severity="P3",
    profiles="maintenance",
    period="weekly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_RECORD,
)
def test_weekly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """The weekly list's work by hand was done within the week, by the record."""
    verify(_judged(maintenance_by_hand, "weekly", limits))


@pytest.mark.check(
    id="B-MNT-1b",
    severity="P3",
    profiles="maintenance",
    period="monthly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_RECORD,
)
def test_monthly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """The monthly list's work by hand was done within the month, by the record."""
    verify(_judged(maintenance_by_hand, "monthly", limits))


@pytest.mark.check(
    id="B-MNT-1c",
    severity="P3",
    profiles="maintenance",
    period="quarterly",
    subsystem="config",
    runbook=_LISTS,
    next_step=_RECORD,
)
def test_quarterly_maintenance_by_hand_is_done(
    maintenance_by_hand: Observation[DoneByHand], limits: BzzzLimits
) -> None:
    """The quarterly list's work by hand was done within the quarter, by the record."""
    verify(_judged(maintenance_by_hand, "quarterly", limits))


@pytest.mark.check(
    id="B-MNT-2",
    severity="P1",
    profiles="maintenance",
    subsystem="database",
    runbook='"Monthly Recovery Tests"',
    next_step="run the restore check (B-REC-5b) against the newest backup; a backup that was never restored proves nothing",
)
def test_a_restore_was_tried_lately(last_restore: Observation[LastRestore], limits: BzzzLimits) -> None:
    """A trial restore of a backup succeeded in the last 31 days."""
    verify(maintenance.restored_lately(last_restore.value, last_restore.at, limits))

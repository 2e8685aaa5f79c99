"""Rehearses "Point-in-Time Recovery": to a name and to a moment before a mistake; damaged backups are refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills import recovery_steps
from fixtures.bzzz.faults.drills.lost_data import DrillBaseBackupFlipped, DrillWalSegmentLost, RowsDeleted
from opsverify import Deadline, seconds
from opsverify.model.ladder import fail, first_of
from systems.bzzz.restore.restore_error import NotRestored

if TYPE_CHECKING:
    from opsverify.model.fault import Fault
    from opsverify.run.drill import Drill
    from systems.bzzz.restore.models import Account

POINT = "before-the-mistake"
DEPARTURES = {
    "way": 'the runbook says "implementation depends on PostgreSQL configuration": restore_command, recovery_target_name '
    "or recovery_target_time, promote, archive_mode off, recovery.signal",
    "place": "on a separate server, on copies: neither the source nor its backups are touched",
    "verification": "the runbook verifies nothing: here pg_verifybackup reads every file of the copy first, and the archive "
    "is searched for a gap",
}


@pytest.mark.check(
    id="B-REC-6",
    severity="P1",
    profiles="drill",
    subsystem="database",
    runbook='"Point-in-Time Recovery"',
    next_step="rehearse by hand on a twin: pg_stat_archiver and the archive's newest segment (B-DB-3), pg_verifybackup of the base backup",
)
async def test_a_database_is_recovered_to_an_instant(drill: Drill) -> None:
    """From base backup and WAL the database is recovered to a restore point and to a time, without what came later."""
    await drill.steady(*recovery_steps.STEADY, within=seconds(60))
    async with drill.step("steady state", "take a base backup", bound=seconds(60)) as notes:
        notes.append(await drill.site.operator().take_base_backup())
    before = await recovery_steps.account(drill)
    async with drill.step("steady state", f"mark the instant {POINT}") as notes:
        moment = await drill.site.operator().mark_instant(POINT)
        notes.append(moment.isoformat())

    clock = Deadline(recovery_steps.P0)
    await drill.inject(RowsDeleted(drill.twin, drill.site.arming))
    await _recovered(drill, POINT, before)
    await _recovered(drill, moment, before)
    recovery_steps.in_time(drill, "recovered to a name and to a moment", clock)

    for fault, reason in (
        (DrillBaseBackupFlipped, "base-backup-corrupt"),
        (DrillWalSegmentLost, "wal-missing"),
    ):
        broken: Fault = fault(drill.twin, drill.site.arming)
        await drill.inject(broken)
        await _refused(drill, broken, reason)
    recovery_steps.depart(drill, DEPARTURES)


async def _recovered(drill: Drill, goal: str | datetime, before: Account) -> None:
    async with drill.step("recover", f"recover to {goal}", bound=seconds(60)) as notes:
        recovered = await drill.site.operator().recover_to_point(goal)
        notes.append(f"from {recovered.base} in {recovered.took_s:.2f} s")
    what = f"recovered to {recovered.goal}, without what came after"
    recovery_steps.accounted_for(drill, before, recovered.account, what, ahead=True)


async def _refused(drill: Drill, fault: Fault, reason: str) -> None:
    """A recovery from the damaged files is refused with its reason; then the fault is undone."""
    async with drill.step("detect", f"recovering with {fault.name} is refused", bound=seconds(60)) as notes:
        try:
            recovered = await drill.site.operator().recover_to_point(POINT)
            why, message = "recovered", f"recovered {recovered.account.rows} rows"
        except NotRestored as refused:
            why, message = refused.reason.value, refused.message
        notes.append(message)
    drill.findings.append(
        first_of(fail("not-refused", why != reason), ok="refused").finding(
            expected=f"a recovery with {fault.name} is refused: {reason}",
            observed=f"{why}: {message}",
        )
    )
    async with drill.step("recover", f"undo {fault.name}"):
        fault.restore()

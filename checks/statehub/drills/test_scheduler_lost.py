"""Drill of "scheduler lost" (runbook, "Schedule Check"): sweeps stop, the schedule is reconciled, sweeps resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, declare_over, interval, nothing_lost
from fixtures.statehub.faults.drills.recovery import ScheduleLost, WorkerKilled
from opsverify import seconds

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(
    id="S-REC-1",
    severity="P0",
    profiles="drill",
    subsystem="schedule",
    runbook='"Schedule Check"',
    next_step="rehearse by hand on a twin: stopped sweeps were not detected within two intervals, or did not resume",
)
async def test_a_lost_scheduler_is_seen_and_brought_back(drill: Drill) -> None:
    """A schedule that Temporal has lost, and a worker that died, are detected within two intervals, and sweeps resume."""
    before = await begin(drill)
    two_intervals = interval(drill) * 2
    await drill.inject(ScheduleLost(drill.twin, drill.site.arming))
    await drill.detected("S-SCH-2", within=seconds(10))
    await drill.detected("S-PRG-1b", within=two_intervals)
    async with drill.step("recover", "reconcile the schedules", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().reconcile_schedules())
    await declare_over(drill)
    await drill.recovered(*STEADY, "S-REC-1b", within=seconds(60))

    await drill.inject(WorkerKilled(drill.twin, drill.site.arming))
    await drill.detected("S-PRG-1b", within=two_intervals)
    async with drill.step("recover", "restart the worker", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().restart_worker())
    await declare_over(drill)
    await drill.recovered(*STEADY, "S-REC-1b", within=seconds(60))
    await nothing_lost(drill, before)

"""Drill of "definition drifted" (runbook, "Schedule Check"): detected, synced again, the schedule reconciled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, nothing_lost
from fixtures.statehub.faults.drills.recovery import DefinitionChanged
from opsverify import seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

CHANGES = (("enabled", False, "disabled"), ("misfire_policy", "catch_up", "misfire"))


@pytest.mark.check(
    id="S-REC-2",
    severity="P1",
    profiles="drill",
    subsystem="schedule",
    runbook='"Schedule Check"',
    next_step="rehearse by hand on a twin: a changed definition was not detected, or the sync did not restore it",
)
async def test_a_changed_definition_is_seen_and_synced_again(drill: Drill) -> None:
    """A definition that was disabled or has drifted is detected with its reason, and is as promised again after a sync."""
    before = await begin(drill)
    for column, value, reason in CHANGES:
        await drill.inject(DefinitionChanged(drill.twin, drill.site.arming, column, value))
        outcome = await drill.detected("S-SCH-1", within=seconds(10))
        drill.findings.append(
            first_of(fail("not-named", outcome.reason != reason), ok="named").finding(
                expected=f"S-SCH-1 says {reason}", observed=f"S-SCH-1 says {outcome.reason}"
            )
        )
        async with drill.step("recover", "sync the definitions", bound=seconds(10)) as notes:
            notes.append(await drill.site.operator().sync_definitions())
        async with drill.step("recover", "reconcile the schedules", bound=seconds(10)) as notes:
            notes.append(await drill.site.operator().reconcile_schedules())
        await drill.recovered(*STEADY, within=seconds(60))
    await nothing_lost(drill, before)

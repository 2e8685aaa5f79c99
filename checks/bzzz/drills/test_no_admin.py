"""Rehearses "Election System Failure": an election cannot be forced while the candidates' state is corrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills.incident_steps import act, alert_fires, begin, over
from fixtures.bzzz.faults.incidents.agents import ElectionStateCorrupt
from opsverify import seconds
from systems.bzzz.incidents.alerts import ADMIN

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

CLEARED = "B-ALR-1c"


@pytest.mark.check(
    id="B-REC-3",
    severity="P0",
    profiles="drill",
    subsystem="election",
    alert=ADMIN,
    runbook='"Election System Failure (Alert: BZZZNoAdminElected)"',
    next_step="rehearse by hand on a twin: no alert fired for the missing admin, or none was elected after the state was cleared",
)
async def test_a_failed_election_is_detected_and_recovered(drill: Drill) -> None:
    """Without an admin the alert fires; forcing an election does not help, clearing the corrupt state does."""
    watch = await begin(drill, ElectionStateCorrupt, ADMIN)
    await alert_fires(drill, watch)
    await drill.detected("B-ELE-1", within=seconds(15))
    await drill.detected("B-REC-3b", within=seconds(10))
    operator = drill.site.operator()
    watch.begin()
    async with act(drill, "force an election") as notes:
        notes.append(await operator.trigger_election())
    outcome = (await drill.judge("B-REC-3b"))["B-REC-3b"]
    async with act(drill, "look at the roles") as notes:
        roles = (await drill.judge("B-ELE-2b"))["B-ELE-2b"]
        notes.append(f"B-ELE-2b {roles.verdict} {roles.reason}; after the forced election {outcome.reason}")
    async with act(drill, "clear the corrupt election state, restart the agents") as notes:
        notes.append(await operator.clear_election_state())
    await over(drill, watch, "B-REC-3b", CLEARED)

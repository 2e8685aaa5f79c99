"""Rehearses "System Health Critical" for three of the runbook's causes: memory, disk, network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills.incident_steps import act, alert_fires, begin, over
from fixtures.bzzz.faults.incidents.nodes import AgentLeaks, DiskFullIncident, NodesCutOff
from opsverify import seconds
from opsverify.model.ladder import fail, first_of
from systems.bzzz.incidents.alerts import HEALTH

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.bzzz.alerting.wait import AlertWatch

RUNBOOK = '"System Health Critical (Alert: BZZZSystemHealthCritical)"'
NEXT = "rehearse by hand on a twin: the cause was not named, the recovery did not help, or the alert did not clear"

CLEARED = "B-ALR-1"


async def found(drill: Drill, watch: AlertWatch, cause: str) -> None:
    """The alert fires, and the investigation names the cause."""
    await alert_fires(drill, watch)
    outcome = await drill.detected("B-REC-1b", within=seconds(10))
    drill.findings.append(
        first_of(fail("cause-not-found", outcome.reason != f"critical-{cause}"), ok="cause-found").finding(
            expected=f"B-REC-1b names the cause: {cause}",
            observed=f"B-REC-1b: {outcome.reason}: {outcome.findings[0].observed if outcome.findings else ''}",
        )
    )
    watch.begin()


@pytest.mark.check(
    id="B-REC-1",
    severity="P0",
    profiles="drill",
    subsystem="monitoring",
    alert=HEALTH,
    runbook=RUNBOOK,
    next_step=NEXT,
)
async def test_a_memory_leak_is_found_and_recovered(drill: Drill) -> None:
    """A memory leak that makes health critical raises the alert, is named as the cause, and clears once the agents restart."""
    watch = await begin(drill, AgentLeaks, HEALTH)
    await found(drill, watch, "memory")
    async with act(drill, "restart the affected services") as notes:
        notes.append(await drill.site.operator().restart_agents())
    await over(drill, watch, "B-REC-1b", CLEARED)


@pytest.mark.check(
    id="B-REC-1c",
    severity="P0",
    profiles="drill",
    subsystem="monitoring",
    alert=HEALTH,
    runbook=RUNBOOK,
    next_step=NEXT,
)
async def test_a_full_disk_is_found_and_recovered(drill: Drill) -> None:
    """A full disk that makes health critical raises the alert, is named as the cause, and clears once it is cleaned up."""
    watch = await begin(drill, DiskFullIncident, HEALTH)
    await found(drill, watch, "disk")
    async with act(drill, "clean up logs and temporary files") as notes:
        notes.append(await drill.site.operator().clean_up_disks())
    await over(drill, watch, "B-REC-1b", CLEARED)


@pytest.mark.check(
    id="B-REC-1d",
    severity="P0",
    profiles="drill",
    subsystem="monitoring",
    alert=HEALTH,
    runbook=RUNBOOK,
    next_step=NEXT,
)
async def test_a_network_failure_is_found_and_recovered(drill: Drill) -> None:
    """A cut network that makes health critical raises the alert, is named as the cause, and clears once networking restarts."""
    watch = await begin(drill, NodesCutOff, HEALTH)
    await found(drill, watch, "network")
    async with act(drill, "restart networking") as notes:
        notes.append(await drill.site.operator().restart_networking())
    await over(drill, watch, "B-REC-1b", CLEARED)

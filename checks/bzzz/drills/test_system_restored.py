"""Rehearses "Full System Recovery" in the runbook's order, and the restore of a configuration by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills import recovery_steps
from fixtures.bzzz.faults.drills.lost_data import DatabaseDropped
from fixtures.bzzz.faults.drills.lost_services import ConfigurationReplaced, ServicesGone
from opsverify import Deadline, seconds

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

END_TO_END = (
    "B-P2P-3",
    "B-DHT-2",
    "B-UCX-1",
)
DEPARTURES = {
    "infrastructure": "the runbook deploys the stack: here the manager keeps running, and its services are scaled back to "
    "the replicas in the export",
    "configs": "a config cannot be changed in place: each comes back under a new name, by a rolling update of its users",
    "secrets": "the runbook calls `docker secret inspect` an export, but no manager prints a secret's payload: payloads come "
    "from where the target says they are kept",
    "agents": "the agents start last, after the database is whole: the runbook starts them with the stack",
    "replicas": "the runbook scales to 3: here to the number that was recorded before",
}


@pytest.mark.check(
    id="B-REC-7",
    severity="P1",
    profiles="drill",
    subsystem="config",
    runbook='"Full System Recovery"',
    next_step="rehearse by hand on a twin: the timeline names the step that failed; check with B-BAK-2 that the export is complete",
)
async def test_the_whole_system_is_restored(drill: Drill) -> None:
    """A bad configuration, and then all services and the database, are restored from export and dump."""
    operator = drill.site.operator()
    await drill.steady(*recovery_steps.STEADY, within=seconds(60))
    replicas = await recovery_steps.agents_asked_for(drill)
    async with drill.step("steady state", "export the configuration", bound=seconds(10)) as notes:
        notes.append(await operator.export_configuration())
    async with drill.step("steady state", "dump the database, roles beside it", bound=seconds(60)) as notes:
        dump = await operator.dump_database()
        notes.append(dump)
    before = await recovery_steps.account(drill)

    await drill.inject(ConfigurationReplaced(drill.twin, drill.site.arming))
    await drill.detected("B-ELE-2b", within=seconds(30))
    async with drill.step("recover", "restore the configuration from the export", bound=seconds(90)) as notes:
        notes.append(await operator.restore_configuration())
    await drill.recovered(*recovery_steps.STEADY, within=seconds(60))

    clock = Deadline(recovery_steps.P0)
    await drill.inject(ServicesGone(drill.twin, drill.site.arming))
    await drill.inject(DatabaseDropped(drill.twin, drill.site.arming))
    await drill.detected(recovery_steps.STEADY[0], within=seconds(30), beside=recovery_steps.STEADY[1:])
    async with drill.step(
        "recover", "1 infrastructure: the services of the export", bound=seconds(60)
    ) as notes:
        notes.append(await operator.deploy_services())
    async with drill.step("recover", "2 configuration: from the export", bound=seconds(90)) as notes:
        notes.append(await operator.restore_configuration())
    async with drill.step("recover", "3 database: the dump into an empty one", bound=seconds(60)) as notes:
        notes.append(await operator.restore_database(dump))
    recovery_steps.accounted_for(drill, before, await recovery_steps.account(drill), "restored from its dump")
    await recovery_steps.scale_agents(drill, replicas)
    await drill.recovered(*recovery_steps.STEADY, within=seconds(60))
    await drill.recovered(*END_TO_END, within=seconds(60))
    recovery_steps.in_time(drill, "the whole system restored", clock)
    recovery_steps.depart(drill, DEPARTURES)

"""Rehearses "Database Recovery": dump, the database dropped for real, restored, and every row accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills import recovery_steps
from fixtures.bzzz.faults.drills.lost_data import DatabaseDropped
from opsverify import Deadline, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

DEPARTURES = {
    "database": "the runbook restores into the existing database: here into a new, empty one, since a dump on top of "
    "old tables fails half-way or mixes old rows with new ones",
    "roles": "the runbook restores no roles: here they are created first, since the dump assigns its tables to them",
    "errors": "the runbook's psql goes on after an error and commits what it has: here ON_ERROR_STOP in one transaction, "
    "committed only after gzip's checksum has matched and pg_dump's closing line was read",
    "replicas": "the runbook scales back to 3: here to the number that was recorded before",
    "gzip": "the runbook names dump and archive by two calls of `date`, which can differ: here one name for both",
}


@pytest.mark.check(
    id="B-REC-5",
    severity="P1",
    profiles="drill",
    subsystem="database",
    runbook='"Database Recovery"',
    next_step="rehearse by hand on a twin: the differences after the restore are listed above, table by table",
)
async def test_a_lost_database_is_restored(drill: Drill) -> None:
    """A database that is lost comes back from its dump with every row, sequence and definition, and its agents with it."""
    await drill.steady(*recovery_steps.STEADY, within=seconds(60))
    replicas = await recovery_steps.agents_asked_for(drill)
    async with drill.step("steady state", "record how many agents are asked for") as notes:
        notes.append(f"{replicas} agents")
    await recovery_steps.scale_agents(drill, 0)
    async with drill.step("recover", "dump the database, roles beside it", bound=seconds(60)) as notes:
        dump = await drill.site.operator().dump_database()
        notes.append(dump)
    before = await recovery_steps.account(drill)

    clock = Deadline(recovery_steps.P0)
    await drill.inject(DatabaseDropped(drill.twin, drill.site.arming))
    async with drill.step("recover", "restore the dump into an empty database", bound=seconds(60)) as notes:
        notes.append(await drill.site.operator().restore_database(dump))
    recovery_steps.accounted_for(drill, before, await recovery_steps.account(drill), "restored from its dump")
    await recovery_steps.scale_agents(drill, replicas)
    await drill.recovered(*recovery_steps.STEADY, within=seconds(60))
    recovery_steps.in_time(drill, "restored from its dump, agents and all", clock)
    back = await recovery_steps.agents_asked_for(drill)
    drill.findings.append(
        first_of(fail("replicas-differ", back != replicas), ok="replicas-as-recorded").finding(
            expected=f"{replicas} agents, as recorded",
            observed=f"{back} agents",
        )
    )
    recovery_steps.depart(drill, DEPARTURES)

"""Rehearses "DHT Replication Failure" and "DHT Operations Failing"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills.incident_steps import act, alert_fires, begin, over
from fixtures.bzzz.faults.incidents.agents import DhtIncident, ReplicationStuck
from opsverify import seconds
from systems.bzzz.incidents.alerts import PEERS, REPLICATION

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(
    id="B-REC-4",
    severity="P1",
    profiles="drill",
    subsystem="dht",
    alert=REPLICATION,
    runbook='"DHT Replication Failure (Alert: BZZZDHTReplicationDegraded)"',
    next_step="rehearse by hand on a twin: lost replicas were not detected, or the managers did not restore them",
)
async def test_degraded_replication_is_detected_and_recovered(drill: Drill) -> None:
    """Replicas lost while the managers hang raise the alert; after a restart and a reprovide all content is replicated."""
    watch = await begin(drill, ReplicationStuck, REPLICATION)
    await alert_fires(drill, watch)
    await drill.detected("B-DHT-1", within=seconds(10))
    await drill.detected("B-REC-4b", within=seconds(10))
    operator = drill.site.operator()
    watch.begin()
    async with act(drill, "restart the replication managers") as notes:
        notes.append(await operator.restart_replication())
    async with act(drill, "have the content provided again") as notes:
        notes.append(await operator.reprovide_content())
    await over(
        drill,
        watch,
        "B-REC-4b",
        "B-ALR-1d",
    )


@pytest.mark.check(
    id="B-REC-10",
    severity="P1",
    profiles="drill",
    subsystem="dht",
    alert="DHT Operations Failing",
    runbook='"DHT Operations Failing" Error',
    next_step="rehearse by hand on a twin: failing puts and gets were not detected, or still failed after the cache was cleared",
)
async def test_failing_dht_operations_are_detected_and_recovered(drill: Drill) -> None:
    """Failing puts and gets are detected; with bootstraps restarted and the cache cleared they work again.

    The runbook has no rule for them: the alert is on the bootstraps' missing peers.
    """
    watch = await begin(drill, DhtIncident, PEERS)
    await drill.detected("B-REC-10b", within=seconds(15))
    await drill.detected("B-DHT-2", within=seconds(15))
    await alert_fires(drill, watch)
    operator = drill.site.operator()
    watch.begin()
    async with act(drill, "restart the DHT bootstraps") as notes:
        notes.append(await operator.restart_bootstraps())
    async with act(drill, "clear the DHT cache") as notes:
        notes.append(await operator.clear_dht_cache())
    await over(
        drill,
        watch,
        "B-DHT-2",
        "B-REC-10b",
        "B-ALR-1b",
    )

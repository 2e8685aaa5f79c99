"""Rehearses "P2P Network Partition" and "Network Connectivity Issues"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills.incident_steps import act, alert_fires, begin, over
from fixtures.bzzz.faults.incidents.agents import Partition
from fixtures.bzzz.faults.incidents.nodes import NodesCutOff
from opsverify import seconds
from systems.bzzz.incidents.alerts import PEERS

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

NEXT = "rehearse by hand on a twin: too few peers were not detected, or the agents did not reconnect"
CLEARED = "B-ALR-1b"


@pytest.mark.check(
    id="B-REC-2",
    severity="P0",
    profiles="drill",
    subsystem="p2p",
    alert=PEERS,
    runbook='"P2P Network Partition (Alert: BZZZInsufficientPeers)"',
    next_step=NEXT,
)
async def test_a_partition_is_detected_and_recovered(drill: Drill) -> None:
    """Hanging bootstraps and a corrupt peer store raise the alert; restarted and cleared, all agents have peers again."""
    watch = await begin(drill, Partition, PEERS)
    await alert_fires(drill, watch)
    await drill.detected("B-P2P-1", within=seconds(10))
    await drill.detected("B-REC-2b", within=seconds(10))
    operator = drill.site.operator()
    watch.begin()
    async with act(drill, "restart the DHT bootstraps") as notes:
        notes.append(await operator.restart_bootstraps())
    async with act(drill, "clear the corrupt peer store, restart the agents") as notes:
        notes.append(await operator.clear_peer_store())
    await over(drill, watch, "B-REC-2b", CLEARED)


@pytest.mark.check(
    id="B-REC-11",
    severity="P2",
    profiles="drill",
    subsystem="p2p",
    alert=PEERS,
    runbook='"Network Connectivity Issues"',
    next_step=NEXT,
)
async def test_a_cut_network_is_connected_again(drill: Drill) -> None:
    """When the network between the nodes is cut each link is named; reconnected, the services reach each other."""
    watch = await begin(drill, NodesCutOff, PEERS)
    await alert_fires(drill, watch)
    await drill.detected("B-NET-1", within=seconds(15))
    watch.begin()
    async with act(drill, "disconnect and connect the agents' network") as notes:
        notes.append(await drill.site.operator().restart_networking())
    await over(
        drill,
        watch,
        "B-NET-1",
        "B-REC-2b",
        CLEARED,
    )

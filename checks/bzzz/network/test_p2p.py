"""The peer-to-peer network: enough peers, bootstraps that keep a connection, and every link between nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.network import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import TasksRan
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.network.models import Bootstraps, Links, PeerLists

PARTITION = '"P2P Network Partition (Alert: BZZZInsufficientPeers)"'


@pytest.mark.check(
    id="B-P2P-1",
    severity="P0",
    profiles="smoke canary incident",
    alert="BZZZInsufficientPeers",
    runbook=PARTITION,
    next_step="B-P2P-2 for the bootstraps, B-NET-1 for the link that is cut; restart the bootstraps, clear a corrupt peer store, restart the affected agents",
)
def test_every_agent_has_enough_peers(connected_peers: Observation[PeerLists], limits: BzzzLimits) -> None:
    """Each agent is connected to at least three peers."""
    verify(criteria.enough_peers(connected_peers.value, limits))


@pytest.mark.check(
    id="B-P2P-2",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZInsufficientPeers",
    unreachable="fail",
    runbook=PARTITION,
    next_step="docker service logs of the bootstrap that is named, --since 1h; then docker service update --force on it; check firewall rules for its port",
)
def test_bootstraps_accept_and_keep_connections(
    bootstraps: Observation[Bootstraps], limits: BzzzLimits
) -> None:
    """Each DHT bootstrap accepts connections and keeps them."""
    verify(criteria.bootstraps_accept(bootstraps.value, limits))


@pytest.mark.check(
    id="B-P2P-3",
    severity="P1",
    profiles="canary incident",
    alert="BZZZInsufficientPeers",
    runbook='"Component-Specific Checks"',
    next_step="the command's own output names the peer; then B-P2P-1, B-NET-1",
)
def test_a_message_makes_the_round_trip(p2p_message: Observation[TasksRan]) -> None:
    """A P2P test message makes the round trip from each agent."""
    verify(criteria.command_worked(p2p_message.value))


@pytest.mark.check(
    id="B-NET-1",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZInsufficientPeers",
    runbook='"Network Connectivity Issues"',
    next_step="ping and nc -zv between the two nodes that are named; iptables -L | grep -E '(9000|9101|9102|9103)'; B-SWM-3 for the overlay",
)
def test_nodes_reach_each_other(links: Observation[Links], limits: BzzzLimits) -> None:
    """Each node reaches each other on its P2P port and its bootstrap port."""
    verify(criteria.every_link(links.value, limits))

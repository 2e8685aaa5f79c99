"""The incidents of BZZZ's runbook: the alert of each, and what its rule looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.bzzz.monitoring.target import PrometheusTarget

__all__ = ["ADMIN", "HEALTH", "INCIDENTS", "MEMORY", "PEERS", "REPLICATION", "needed_rules"]

HEALTH = "BZZZSystemHealthCritical"
PEERS = "BZZZInsufficientPeers"
ADMIN = "BZZZNoAdminElected"
REPLICATION = "BZZZDHTReplicationDegraded"
MEMORY = "High Memory Usage"
"""The runbook's name of it; what its rule is called here, the target says."""

INCIDENTS: Mapping[str, str] = {
    HEALTH: "bzzz_system_health_score",
    PEERS: "bzzz_p2p_connected_peers",
    ADMIN: "bzzz_election_state",
    REPLICATION: "bzzz_dht_replication_factor",
}


def needed_rules(target: PrometheusTarget) -> tuple[str, ...]:
    """The rules without which an incident goes unheard: the four incidents', capacity, memory."""
    return (*INCIDENTS, *target.capacity, target.memory)

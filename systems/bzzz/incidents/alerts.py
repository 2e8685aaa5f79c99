"""Alerts of the runbook's incidents, with the metric of each alert's rule."""

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
"""The runbook's name; [bzzz.prometheus] memory names the rule."""

INCIDENTS: Mapping[str, str] = {
    HEALTH: "bzzz_system_health_score",
    PEERS: "bzzz_p2p_connected_peers",
    ADMIN: "bzzz_election_state",
    REPLICATION: "bzzz_dht_replication_factor",
}


def needed_rules(target: PrometheusTarget) -> tuple[str, ...]:
    """The rules that have to be loaded: the four incidents', capacity, memory."""
    return (*INCIDENTS, *target.capacity, target.memory)

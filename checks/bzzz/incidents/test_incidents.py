"""Incidents: whether each is over, read-only, after the runbook's recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.agents import criteria as api
from checks.bzzz.incidents import criteria
from opsverify import verify
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, MEMORY, PEERS, REPLICATION

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import TaskFlow
    from systems.bzzz.incidents.models import IncidentState, RecoveryValidation, RecoveryWatch
    from systems.bzzz.limits import BzzzLimits

VALIDATION = '"Recovery Validation"'


@pytest.mark.check(
    id="B-REC-1b",
    severity="P0",
    profiles="incident",
    subsystem="monitoring",
    alert=HEALTH,
    runbook='"System Health Critical (Alert: BZZZSystemHealthCritical)"',
    next_step="memory: restart the agents; disk: clean up logs and temporary files; network: restart networking, B-NET-1; database: B-DB-1",
)
def test_system_health_is_no_longer_critical(
    standing_health: Observation[IncidentState], limits: BzzzLimits
) -> None:
    """After critical health no agent is critical, and the alert is quiet; a critical agent's cause is named."""
    verify(criteria.score_back(standing_health.value, limits), criteria.alert_quiet(standing_health.value))


@pytest.mark.check(
    id="B-REC-2b",
    severity="P0",
    profiles="incident",
    subsystem="p2p",
    alert=PEERS,
    runbook='"P2P Network Partition (Alert: BZZZInsufficientPeers)"',
    next_step="restart the bootstraps, then clear the peer store where it is corrupt, then B-NET-1 for the links, then restart the agents",
)
def test_the_partition_is_over(standing_peers: Observation[IncidentState], limits: BzzzLimits) -> None:
    """After a partition each agent has enough peers, and the alert is quiet."""
    verify(criteria.peers_back(standing_peers.value, limits), criteria.alert_quiet(standing_peers.value))


@pytest.mark.check(
    id="B-REC-3b",
    severity="P0",
    profiles="incident",
    subsystem="election",
    alert=ADMIN,
    runbook='"Election System Failure (Alert: BZZZNoAdminElected)"',
    next_step="force an election; B-ELE-2b for the roles; clear the election state where it is corrupt",
)
def test_the_election_works_again(standing_admin: Observation[IncidentState]) -> None:
    """After a failure of the election one agent is admin, and the alert is quiet."""
    verify(criteria.one_admin_again(standing_admin.value), criteria.alert_quiet(standing_admin.value))


@pytest.mark.check(
    id="B-REC-4b",
    severity="P1",
    profiles="incident",
    subsystem="dht",
    alert=REPLICATION,
    runbook='"DHT Replication Failure (Alert: BZZZDHTReplicationDegraded)"',
    next_step="restart the replication managers, provide the content again; B-STO-1 for the storage, B-P2P-1 for the network",
)
def test_content_is_replicated_again(
    standing_replication: Observation[IncidentState], limits: BzzzLimits
) -> None:
    """After a replication failure content has enough replicas, and the alert is quiet."""
    state = standing_replication.value
    verify(criteria.replication_back(state, limits), criteria.alert_quiet(state))


@pytest.mark.check(
    id="B-REC-9b",
    severity="P2",
    profiles="incident",
    subsystem="monitoring",
    alert=MEMORY,
    runbook='"High Memory Usage" Alert',
    next_step="restart the service of the agent that is named; if it grows again, take a heap profile (pprof) before the next restart",
)
def test_memory_is_back_under_its_limit(
    standing_memory: Observation[IncidentState], limits: BzzzLimits
) -> None:
    """After high memory usage no agent is above its limit, and the alert is quiet; the offender is named."""
    verify(criteria.memory_back(standing_memory.value, limits), criteria.alert_quiet(standing_memory.value))


@pytest.mark.check(
    id="B-REC-10b",
    severity="P1",
    profiles="incident",
    subsystem="dht",
    alert="DHT Operations Failing",
    runbook='"DHT Operations Failing" Error',
    next_step="B-P2P-2 for the bootstraps; restart them, clear the DHT cache, then run B-DHT-2, which puts and gets a value",
)
def test_dht_operations_work_again(standing_dht: Observation[IncidentState]) -> None:
    """After a failure of the DHT's operations each agent's own put and get works."""
    verify(criteria.dht_works(standing_dht.value))


@pytest.mark.check(
    id="B-VAL-1",
    severity="P1",
    profiles="incident",
    subsystem="monitoring",
    runbook=VALIDATION,
    next_step="an incident came back: follow its section of the runbook again, and look for what the recovery left unfixed",
)
def test_the_recovery_holds(recovery_watched: Observation[RecoveryWatch], limits: BzzzLimits) -> None:
    """After a recovery no incident has come back for as long as the runbook has it watched."""
    verify(criteria.held_since(recovery_watched.value, limits))


@pytest.mark.check(
    id="B-VAL-1b",
    severity="P1",
    profiles="incident",
    subsystem="swarm",
    runbook=VALIDATION,
    next_step="services: B-SWM-1; data: B-DB-1 and B-DHT-1, and B-REC-5b for the newest dump; peers: B-P2P-1",
)
def test_services_data_and_peers_are_back(
    validated: Observation[RecoveryValidation], limits: BzzzLimits
) -> None:
    """After a recovery every service is up, the data is whole, and the P2P network is connected."""
    validation = validated.value
    verify(
        criteria.services_up(validation),
        criteria.data_whole(validation, limits),
        criteria.peers_connected(validation, limits),
    )


@pytest.mark.check(
    id="B-VAL-1c",
    severity="P1",
    profiles="incident",
    subsystem="slurp",
    runbook=VALIDATION,
    next_step="see the stage that is named: no coordinator: B-ELE-1; not resolved: B-SLP-1b and B-DHT-2",
)
def test_tasks_and_contexts_work_again(task_flow: Observation[TaskFlow], limits: BzzzLimits) -> None:
    """After a recovery a task is coordinated, and its context generated."""
    verify(api.data_flows(task_flow.value, limits))

"""The DHT: replicated, with provider records, working, within its error budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.dht import criteria
from checks.bzzz.network.criteria import command_worked
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import TasksRan
    from systems.bzzz.dht.models import Operations, Replication
    from systems.bzzz.limits import BzzzLimits

REPLICATION = '"DHT Replication Failure (Alert: BZZZDHTReplicationDegraded)"'


@pytest.mark.check(
    id="B-DHT-1",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZDHTReplicationDegraded",
    runbook=REPLICATION,
    next_step="docker service logs bzzz-v2_bzzz-agent | grep -i replication on the lowest instance; restart the replication managers, provide the content again; B-STO-1 for the storage, B-P2P-1 for the peers",
)
def test_content_is_replicated(replication: Observation[Replication], limits: BzzzLimits) -> None:
    """The DHT's content has two replicas or more on average, and every instance holds provider records."""
    verify(
        criteria.replicated(replication.value, limits),
        criteria.records_present(replication.value),
    )


@pytest.mark.check(
    id="B-DHT-1b",
    severity="P2",
    profiles="smoke canary incident",
    alert="BZZZDHTReplicationDegraded",
    runbook=REPLICATION,
    next_step="the agent that is named is the only holder of its content: see B-P2P-1, B-NET-1, its replication log",
)
def test_no_instance_is_alone_with_its_content(
    replication: Observation[Replication], limits: BzzzLimits
) -> None:
    """No instance is the only holder of its content while the average replication factor is high enough."""
    verify(criteria.none_alone(replication.value, limits))


@pytest.mark.check(
    id="B-DHT-2",
    severity="P1",
    profiles="canary incident",
    alert="BZZZDHTReplicationDegraded",
    runbook='"DHT Operations Failing" Error',
    next_step="B-P2P-2 for the bootstraps; restart them, then clear the DHT cache",
)
def test_put_and_get_work(dht_round_trip: Observation[TasksRan]) -> None:
    """A value that is put into the DHT comes back, on each agent."""
    verify(command_worked(dht_round_trip.value))


@pytest.mark.check(
    id="B-DHT-3",
    severity="P2",
    profiles="canary incident",
    runbook='"Prometheus Queries for Health"',
    next_step="B-DHT-2 shows whether operations fail now, B-LOG-1 the errors; if slow: profile-cpu on the agent, B-NET-1 for the latency between nodes",
)
def test_operations_stay_within_their_budget(
    dht_operations: Observation[Operations], limits: BzzzLimits
) -> None:
    """The DHT's operations stay within their error budget and their latency limit."""
    verify(
        criteria.operations_succeed(dht_operations.value, limits),
        criteria.quick(dht_operations.value, limits),
    )

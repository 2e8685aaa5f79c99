"""Services on Docker Swarm: tasks, images, update settings, overlay network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.configuration import criteria as inside
from checks.bzzz.services import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.configuration.models import Networks, Reachability
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.services.models import RunningServices, ServiceSettings


@pytest.mark.check(
    id="B-SWM-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook='"Check Service Status"',
    next_step="docker service ps --no-trunc of the service that is named; docker node ls; after a rollback read the log of the new image's task; docker service update --force once the cause is fixed",
)
def test_services_run_as_they_should(
    running_services: Observation[RunningServices], limits: BzzzLimits
) -> None:
    """Every service runs its expected replicas of its expected image, and none is in a restart loop."""
    verify(criteria.as_they_should(running_services.value, limits))


@pytest.mark.check(
    id="B-SWM-2",
    severity="P2",
    profiles="smoke maintenance",
    runbook='"Rolling Updates"',
    next_step="docker service update --update-parallelism 1 --update-delay 30s --update-failure-action rollback, --limit-memory and --limit-cpu of the service that is named",
)
def test_updates_are_safe(service_settings: Observation[ServiceSettings], limits: BzzzLimits) -> None:
    """Every service updates task by task with a delay, rolls back by itself, and has memory and CPU limits."""
    verify(criteria.safe_settings(service_settings.value, limits))


@pytest.mark.check(
    id="B-SWM-3",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZInsufficientPeers",
    runbook='"Network Connectivity Issues"',
    next_step="docker network inspect bzzz-internal --verbose; docker network disconnect and connect of the task that is named, then docker service update --force of its service, since connecting alone does not make its name resolve to it; iptables -L",
)
def test_services_are_on_their_network(service_networks: Observation[Networks]) -> None:
    """The overlay network exists, and the services that talk over it are attached with all their tasks."""
    verify(inside.attached(service_networks.value))


@pytest.mark.check(
    id="B-SWM-3b",
    severity="P1",
    profiles="smoke canary incident",
    runbook='"Network Connectivity Issues"',
    next_step="B-SWM-3 for the network, B-DB-1 for PostgreSQL itself; docker run --rm --network bzzz-internal nicolaka/netshoot ping -c 3 postgres",
)
def test_postgres_answers_from_inside(postgres_from_inside: Observation[Reachability]) -> None:
    """PostgreSQL answers from inside an agent's task, by its name on the network."""
    verify(inside.postgres_answers(postgres_from_inside.value))

"""What the recovery drills begin and end with: their steady state, how they were recovered, where the runbook was left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checks.bzzz import test_api, test_database, test_dht, test_election, test_p2p
from checks.bzzz.criteria import restoring
from opsverify import seconds
from opsverify.model.ladder import fail, first_of
from opsverify.model.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify import Deadline
    from opsverify.run.drill import Drill
    from systems.bzzz.restore.models import Account

__all__ = [
    "P0",
    "STEADY",
    "account",
    "accounted_for",
    "agents_asked_for",
    "depart",
    "in_time",
    "scale_agents",
]

P0 = Severity.P0.resolution
STEADY = (
    test_api.test_the_api_is_not_unhealthy,
    test_api.test_the_api_is_not_degraded,
    test_api.test_every_component_is_healthy,
    test_p2p.test_every_agent_has_enough_peers,
    test_p2p.test_nodes_reach_each_other,
    test_election.test_one_admin_is_elected,
    test_election.test_another_node_may_become_admin,
    test_dht.test_content_is_replicated,
    test_database.test_the_database_answers_in_its_role,
)


async def account(drill: Drill) -> Account:
    """What the database holds now."""
    seen: Account = await drill.site.operator().account_for_database()
    return seen


async def agents_asked_for(drill: Drill) -> int:
    """How many agents the manager is asked to run: what a recovery has to come back to, whatever the runbook says."""
    section: Any = drill.site.section
    services = await drill.site.client.services.services()
    return next(int(s.desired) for s in services if s.name == section.services.agent)


async def scale_agents(drill: Drill, replicas: int) -> None:
    """Scale the agents, as a step of the recovery."""
    async with drill.step("recover", f"scale the agents to {replicas}", bound=seconds(60)) as notes:
        notes.append(await drill.site.operator().scale_agents(replicas))


def accounted_for(drill: Drill, before: Account, after: Account, what: str, *, ahead: bool = False) -> None:
    """Conclude whether nothing differs between two databases."""
    drill.findings.append(restoring.accounted_for(before, after, what, ahead=ahead))


def in_time(drill: Drill, what: str, clock: Deadline) -> None:
    """Conclude whether a recovery, which `clock` has timed from the loss on, took no longer than a P0 may last."""
    drill.findings.append(
        first_of(fail("too-slow", clock.passed), ok="in-time").finding(
            expected=f"{what} within the resolution time of a P0, {clock.within}",
            observed=f"{clock.elapsed.total_seconds():.1f} s",
        )
    )


def depart(drill: Drill, departures: Mapping[str, str]) -> None:
    """State each step that was not done as the runbook says it, and why."""
    drill.findings.append(
        first_of(ok="departures").finding(
            expected="what was done otherwise than the runbook says is reported with its reason",
            observed=f"{len(departures)} departures",
            details=tuple(f"{what}: {why}" for what, why in departures.items()),
        )
    )

"""Steps of the recovery drills: steady state, accounting for the data, recovery time, departures from the runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checks.bzzz.restore import criteria as restoring
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
    "B-API-1",
    "B-API-1b",
    "B-API-2",
    "B-P2P-1",
    "B-NET-1",
    "B-ELE-1",
    "B-ELE-2b",
    "B-DHT-1",
    "B-DB-1",
)


async def account(drill: Drill) -> Account:
    """What the database holds now."""
    held: Account = await drill.site.operator().account_for_database()
    return held


async def agents_asked_for(drill: Drill) -> int:
    """The agents' desired replicas, to which a recovery has to come back, whatever number the runbook names."""
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
    """Report each step that departs from the runbook, and why."""
    drill.findings.append(
        first_of(ok="departures").finding(
            expected="each departure from the runbook is reported with its reason",
            observed=f"{len(departures)} departures",
            details=tuple(f"{what}: {why}" for what, why in departures.items()),
        )
    )

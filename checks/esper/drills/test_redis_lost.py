"""Drill of the loss of the bus: Redis dies and comes back, empty or with its data; groups first, then producers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.accounting import on_the_queues
from fixtures.esper.faults.drills.redis_lost import RedisLost, RedisLostWithData
from opsverify import seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.esper.client import EsperClient

STEADY = (
    "E-INF-1",
    "E-OON-1",
    "E-OON-5",
    "E-OON-6",
    "E-NIS-1",
    "E-NIS-4",
)
ALIVE = (*STEADY, "E-OON-7")
LOST_BUS = '1 "Environment & Dependencies"'
_SHOWN = 20


@pytest.mark.check(
    id="E-REC-7",
    severity="P1",
    profiles="drill",
    subsystem="infra",
    runbook=LOST_BUS,
    next_step="stop the producers, start Redis, create the groups (or restart Nissa, which does), and only then start the producers",
)
async def test_a_bus_that_came_back_empty_is_recovered_in_order(drill: Drill) -> None:
    """After Redis was lost with all its data, groups exist before producers start, ingest works again, and the loss is reported."""
    fault = RedisLost(drill.twin, drill.site.arming)
    before, created = await _lose_and_recover(drill, fault)
    client = drill.site.client
    expected = {
        f"{g} on {client.section.streams.names()[r]}"
        for g, on in client.section.groups.items()
        for r in on.on
    }
    drill.findings.append(
        first_of(fail("groups-not-recreated", set(created) != expected), ok="groups-recreated").finding(
            expected="every consumer group that the services need was gone, and is created before any producer starts",
            observed=f"created: {', '.join(created) or 'none'}",
        )
    )
    accepted = drill.twin.accepted_packets()
    there = await on_the_queues(client)
    gone, lost_since = before - there, accepted - before - there
    drill.findings.append(
        first_of(
            fail("lost-since-the-return", lost_since), fail("nothing-was-lost", not gone), ok="loss-told"
        ).finding(
            expected="packets accepted since the restart are on the bus; those accepted before it are lost, and counted",
            observed=f"{len(gone)} of {len(before)} packets accepted before the loss are gone; {len(lost_since)} of "
            f"{len(accepted - before)} accepted since are lost",
            details=(
                f"gone from the streams, the last of them: {_some(gone)}",
                *_named("lost since", lost_since),
            ),
        )
    )


@pytest.mark.check(
    id="E-REC-7b",
    severity="P1",
    profiles="drill",
    subsystem="infra",
    runbook=LOST_BUS,
    next_step="look at the pending entries (E-OON-5b): no program runs XCLAIM; then start the producers",
)
async def test_a_bus_that_came_back_with_its_data_has_lost_nothing(drill: Drill) -> None:
    """After Redis was lost and came back with its data, every group exists, ingest works again, and nothing is lost."""
    fault = RedisLostWithData(drill.twin, drill.site.arming)
    before, created = await _lose_and_recover(drill, fault)
    drill.findings.append(
        first_of(fail("groups-recreated", created), ok="groups-kept").finding(
            expected="every consumer group came back with the data: a new one would skip the entries that were not read yet",
            observed=f"created {', '.join(created)}" if created else "none had to be created",
        )
    )
    accepted = drill.twin.accepted_packets()
    lost = accepted - await on_the_queues(drill.site.client)
    drill.findings.append(
        first_of(fail("lost", lost), fail("nothing-accepted", not before), ok="nothing-lost").finding(
            expected="every packet that the bus accepted is there",
            observed=f"{len(lost)} of {len(accepted)} accepted packets lost; {len(before)} were accepted before Redis died",
            details=(*_named("lost", lost), *await _unacknowledged(drill.site.client)),
        )
    )


async def _lose_and_recover(drill: Drill, fault: RedisLost) -> tuple[set[str], list[str]]:
    """The steps of both drills. Returns the packets accepted before the loss, and the groups that had to be created."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(fault)
    before = drill.twin.accepted_packets()
    await drill.detected(
        "E-INF-1",
        within=seconds(30),
        beside=("E-NIS-1",),
    )
    operator, client = drill.site.operator(), drill.site.client
    async with drill.step("recover", "stop the producers", bound=seconds(30)) as notes:
        # They would publish as soon as Redis is back, to streams without a consumer group.
        notes.append(await operator.stop_publishers())
    async with drill.step("recover", "Redis comes back", bound=seconds(30)) as notes:
        fault.redis_returns()
        notes.append(fault.state())
    async with drill.step("recover", "create the groups that are missing", bound=seconds(30)) as notes:
        created: list[str] = await operator.create_missing_groups()
        notes.append(", ".join(created) or "none was missing")
    async with drill.step("recover", "verify that no producer came first", bound=seconds(30)) as notes:
        skipped = await _skipped(client, created)
        notes.append("; ".join(skipped) or "every group was created before the first entry")
    drill.findings.append(
        first_of(fail("producers-came-first", skipped), ok="groups-first").finding(
            expected="no consumer group was created after entries had arrived: it would never get them",
            observed="; ".join(skipped) or "none",
        )
    )
    async with drill.step("recover", "start the producers", bound=seconds(60)) as notes:
        notes.append(await operator.start_publishers())
    await drill.recovered(*ALIVE, within=seconds(60))
    return before, created


async def _skipped(client: EsperClient, created: list[str]) -> list[str]:
    """Groups that were created after entries had arrived: a group begins at the end of its stream, and skips those."""
    streams = [await client.bus.stream(role) for role in client.section.streams.names()]
    return [
        f"{group.name} on {stream.name} was created after {stream.added} entries"
        for stream in streams
        for group in stream.groups
        if stream.added and f"{group.name} on {stream.name}" in created
    ]


async def _unacknowledged(client: EsperClient) -> list[str]:
    """Entries in flight when Redis died: delivered, with the XACK lost."""
    names = client.section.streams.names()
    pending = {
        f"{group} on {names[role]}": await client.bus.oldest_pending(names[role], group)
        for group, roles in client.section.groups.items()
        for role in roles.reads
    }
    return [
        f"pending since the loss, {where}: {', '.join(entry for entry, _ in rows)}"
        for where, rows in pending.items()
        if rows
    ]


def _named(what: str, packets: set[str]) -> tuple[str, ...]:
    return (f"{what}: {_some(packets)}",) if packets else ()


def _some(packets: set[str]) -> str:
    shown = sorted(packets)[-_SHOWN:]
    return ", ".join(shown) + (f" and {len(packets) - _SHOWN} more" if len(packets) > _SHOWN else "")

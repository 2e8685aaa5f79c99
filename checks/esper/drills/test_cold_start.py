"""Drill of runbook 3.1 to 3.4, a cold start: Redis, groups, Nissa, forge, control loop, each verified before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.drills.everything_down import EverythingDown
from opsverify import Verdict, eventually, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from datetime import timedelta

    from opsverify.model.verdict import Outcome
    from opsverify.run.drill import Drill

STEADY = (
    "E-INF-1",
    "E-UP-1",
    "E-UP-2",
    "E-UP-3",
    "E-UP-4",
    "E-NIS-4",
)


@pytest.mark.check(
    id="E-UP-1b",
    severity="P1",
    profiles="drill",
    subsystem="infra",
    runbook='3 "Startup Procedures"',
    next_step="rehearse by hand on a twin: the order is Redis, groups, Nissa, forge, producers; entries published before a group exists are never delivered",
)
async def test_a_cold_start_in_order_brings_everything_up(drill: Drill) -> None:
    """In a cold start each service starts once the one it needs is verified, and no message is published before its consumer group exists."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(EverythingDown(drill.twin, drill.site.arming))
    await drill.detected(
        "E-INF-1",
        within=seconds(30),
        beside=("E-INF-3",),  # without a server that answers, dead servers look like a cut network
    )

    operator, client = drill.site.operator(), drill.site.client
    async with drill.step("recover", "start Redis", bound=seconds(30)) as notes:
        notes.append(await operator.start_service("redis"))
        notes.append(await _proven(drill, "E-INF-1"))
    async with drill.step(
        "recover", "3.2: create the groups, before any producer", bound=seconds(30)
    ) as notes:
        created: list[str] = await operator.create_missing_groups()
        notes.append(await _proven(drill, "E-OON-1"))
        early = {
            state.name: state.added
            for state in [await client.bus.stream(role) for role in client.section.streams.names()]
            if state.added
        }
    drill.findings.append(
        first_of(
            fail("producers-came-first", early), fail("no-group-created", not created), ok="groups-first"
        ).finding(
            expected="consumer groups are created before the first entry of their stream (entries-added 0)",
            observed=f"{len(created)} groups created; entries added before: {early or 'none'}",
        )
    )
    async with drill.step("recover", "3.3: start Nissa", bound=seconds(30)) as notes:
        notes.append(await operator.start_service("nissa"))
        notes.append(await _proven(drill, "E-NIS-1", "E-NIS-2"))
    async with drill.step("recover", "3.4: run the forge", bound=seconds(60)) as notes:
        notes.append(await operator.run_forge())
        notes.append(await _proven(drill, "E-UP-4", "E-URZ-3"))
    async with drill.step("recover", "3.1: start the control loop", bound=seconds(60)) as notes:
        notes.append(await operator.start_service("trainer"))
        notes.append(await _proven(drill, "E-TOL-1"))

    await drill.recovered(*STEADY, within=seconds(60))


async def _proven(drill: Drill, *checks: str, within: timedelta = seconds(20)) -> str:
    """Wait until a step's own checks pass; the next step begins only then. Raises DeadlinePassed."""

    def pass_all(outcomes: dict[str, Outcome]) -> bool:
        return all(o.verdict is Verdict.PASS for o in outcomes.values())

    outcomes = await eventually(
        lambda: drill.judge(*checks), pass_all, expected="the step's checks PASS", within=within
    )
    return f"{', '.join(outcomes)} PASS"

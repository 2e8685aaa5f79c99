"""Rehearses runbook 3.1 to 3.4 from nothing: Redis, groups, Nissa, forge, control loop, each proven before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.esper import test_infra, test_nissa, test_oona, test_startup, test_tolaria, test_urza
from fixtures.esper.faults.drills.everything_down import EverythingDown
from opsverify import Verdict, eventually, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from opsverify.model.verdict import Outcome
    from opsverify.run.drill import Drill

STEADY = (
    test_infra.test_redis_answers_and_stays_the_same_server,
    test_startup.test_the_control_loop_was_started,
    test_startup.test_the_bus_was_started,
    test_startup.test_nissa_was_started,
    test_startup.test_the_forge_has_run,
    test_nissa.test_nissa_counts_what_arrives,
)


@pytest.mark.check(
    id="E-UP-1b",
    severity="P1",
    profiles="drill",
    subsystem="infra",
    runbook='3 "Startup Procedures"',
    next_step="rehearse by hand on a twin: the order is Redis, groups, Nissa, forge, producers; what is published before a group exists is never delivered",
)
async def test_a_cold_start_in_order_brings_everything_up(drill: Drill) -> None:
    """From nothing, each service is started after the one it needs was proven, and no message is published before its group."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(EverythingDown(drill.twin, drill.site.arming))
    await drill.detected(
        test_infra.test_redis_answers_and_stays_the_same_server,
        within=seconds(30),
        beside=(
            test_infra.test_grafana_and_its_database_answer,
        ),  # from dead servers alone nobody can tell a cut line
    )

    operator, client = drill.site.operator(), drill.site.client
    async with drill.step("recover", "start Redis", bound=seconds(30)) as notes:
        notes.append(await operator.start_service("redis"))
        notes.append(await _proven(drill, test_infra.test_redis_answers_and_stays_the_same_server))
    async with drill.step(
        "recover", "3.2: create the groups, before any producer", bound=seconds(30)
    ) as notes:
        created: list[str] = await operator.create_missing_groups()
        notes.append(await _proven(drill, test_oona.test_consumer_groups_exist))
        early = {
            state.name: state.added
            for state in [await client.bus.stream(role) for role in client.section.streams.names()]
            if state.added
        }
    drill.findings.append(
        first_of(
            fail("producers-came-first", early), fail("no-group-created", not created), ok="groups-first"
        ).finding(
            expected="groups are created on streams to which nothing was ever added",
            observed=f"{len(created)} created; added before: {early or 'nothing'}",
        )
    )
    async with drill.step("recover", "3.3: start Nissa", bound=seconds(30)) as notes:
        notes.append(await operator.start_service("nissa"))
        notes.append(
            await _proven(
                drill, test_nissa.test_healthz_answers, test_nissa.test_metrics_carry_the_esper_series
            )
        )
    async with drill.step("recover", "3.4: run the forge", bound=seconds(60)) as notes:
        notes.append(await operator.run_forge())
        notes.append(
            await _proven(
                drill, test_startup.test_the_forge_has_run, test_urza.test_every_blueprint_has_its_artifact
            )
        )
    async with drill.step("recover", "3.1: start the control loop", bound=seconds(60)) as notes:
        notes.append(await operator.start_service("trainer"))
        notes.append(await _proven(drill, test_tolaria.test_training_loss_is_finite_and_fresh))

    await drill.recovered(*STEADY, within=seconds(60))


async def _proven(drill: Drill, *checks: Callable[..., Any], within: timedelta = seconds(20)) -> str:
    """Wait until a step's own checks pass; the next step begins only then. Raises DeadlinePassed."""

    def pass_all(outcomes: dict[str, Outcome]) -> bool:
        return all(o.verdict is Verdict.PASS for o in outcomes.values())

    outcomes = await eventually(
        lambda: drill.judge(*checks), pass_all, expected="the step's checks PASS", within=within
    )
    return f"{', '.join(outcomes)} PASS"

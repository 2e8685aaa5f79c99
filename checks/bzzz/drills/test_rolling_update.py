"""Rehearses "Update Services", "Scale Services", "Rolling Updates" and "Update Docker Secrets" under a client's load."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from fixtures.bzzz.faults.services import TaskKilled
from fixtures.bzzz.twin.load_client import asking
from opsverify import seconds
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.bzzz.operator import BzzzOperator

STEADY = (
    "B-API-1",
    "B-API-2",
    "B-P2P-1",
    "B-P2P-2",
    "B-ELE-1",
    "B-SWM-1",
    "B-SWM-2",
    "B-SWM-3",
    "B-CFG-1",
)
STEP = seconds(60)
MORE = 5
NEW = "_v2"


@pytest.mark.check(
    id="B-REC-8",
    severity="P2",
    profiles="drill",
    subsystem="swarm",
    runbook='"Rolling Updates"',
    next_step="docker service inspect of the agents: update settings and update status; docker service logs of the task that failed; the step that is named, by hand on a twin",
)
async def test_updates_roll_back_scale_and_rotate_without_losing_a_request(drill: Drill) -> None:
    """A bad image rolls back by itself, a killed task is replaced, and scaling, updates, a new secret and a new config lose no request."""
    await drill.steady(*STEADY, within=seconds(60))
    operator: BzzzOperator = drill.site.operator()
    section, images = drill.twin.section, drill.twin.stack.agents
    agents, old, before = section.services.agent, section.services.secret, len(section.nodes)

    async with asking(f"{section.api.url}/health") as asked:
        async with drill.step("recover", "a bad image rolls back by itself", bound=STEP) as notes:
            notes.append(await operator.update_service(agents, image=images.broken))
        drill.findings.append(
            first_of(fail("not-rolled-back", "rollback_completed" not in notes[0]), ok="rolled-back").finding(
                expected="the update to a bad image ends with rollback_completed",
                observed=notes[0],
            )
        )
        await drill.detected("B-SWM-1", within=seconds(30))
        async with drill.step("recover", "a forced update", bound=STEP) as notes:
            notes.append(await operator.restart_service(agents))
        async with drill.step("recover", "scale up, and down again", bound=STEP) as notes:
            notes += [await operator.scale_service(agents, n) for n in (MORE, before)]
        async with drill.step("recover", "a new image, and back", bound=STEP) as notes:
            notes += [
                await operator.update_service(agents, image=i) for i in (images.following, images.released)
            ]
        async with drill.step(
            "recover", "a new secret: the role first, then every consumer", bound=STEP
        ) as notes:
            password = SecretStr(secrets.token_urlsafe(24))
            notes.append(await operator.set_database_password(password))
            notes.append(await operator.rotate_secret(agents, old, f"{old}{NEW}", password))
        async with drill.step(
            "recover", "a new config in the place of the old one, for every consumer", bound=STEP
        ) as notes:
            client, config = drill.site.client.services, section.services.config
            content = (await client.configs())[config].decode() + "\n"
            for consumer in [s.name for s in await client.services() if config in s.configs.values()]:
                notes.append(await operator.replace_config(consumer, config, f"{config}{NEW}", content))
        async with drill.step("recover", "a killed task is replaced", bound=STEP) as notes:
            await drill.inject(TaskKilled(drill.twin, drill.site.arming))
        await drill.recovered(*STEADY, within=seconds(60))
    drill.findings.append(
        first_of(
            fail("requests-lost", asked.lost), unknown("nothing-asked", not asked.answered), ok="nothing-lost"
        ).finding(
            expected="no request to the front door is lost from the first step to the last",
            observed=str(asked),
            details=tuple(asked.lost),
        )
    )

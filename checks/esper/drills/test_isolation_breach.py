"""Drill of runbook 5, "Kasmina Isolation Breach": cull the seed, watch the counter stop, acknowledge it, refresh the kernel."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.drills.isolation_breach import SeedBreaksOut
from opsverify import eventually, seconds
from opsverify.model.ladder import fail, first_of
from systems.esper.kasmina.target import IsolationAcknowledged

if TYPE_CHECKING:
    from opsverify import Observation
    from opsverify.run.drill import Drill
    from systems.esper.training.models import Isolation

STEADY = (
    "E-KAS-1",
    "E-KAS-2",
    "E-REC-4b",
    "E-TOL-3",
    "E-URZ-3",
    "E-NIS-4",
)
ALERT = "kasmina_isolation_violation"


@pytest.mark.check(
    id="E-REC-4",
    severity="P0",
    profiles="drill",
    subsystem="kasmina",
    alert=ALERT,
    runbook='5 "Kasmina Isolation Breach"',
    next_step='rehearse by hand on a twin: "telemetry returns to zero", as the runbook says, never happens; the proof is that the counter stops rising',
)
async def test_an_isolation_breach_is_detected_and_the_seed_is_culled(drill: Drill) -> None:
    """An isolation breach is detected, its seed is culled, the counter stops and is acknowledged, and the kernel is back."""
    await drill.steady(*STEADY, within=seconds(30))
    fault = SeedBreaksOut(drill.twin, drill.site.arming)
    await drill.inject(fault)
    await drill.detected("E-KAS-1", within=seconds(30))
    async with drill.step("detect", f"alert {ALERT} fires", bound=seconds(30)) as notes:
        # Active only until the next packet of another source: a scrape can miss that.
        notes.append(await eventually(lambda: _alert(drill), bool, expected="active", within=seconds(30)))

    operator = drill.site.operator()
    async with drill.step("recover", "name the seed", bound=seconds(10)) as notes:
        breach: Isolation = (await drill.observe("isolation"))["isolation"].value
        seeds = sorted({e.attributes.get("seed_id", "") for e in breach.recorded})
        notes.append(", ".join(seeds))
    drill.findings.append(
        first_of(fail("seed-not-named", seeds != [fault.seed]), ok="seed-named").finding(
            expected=f"the recorded violations name {fault.seed}",
            observed=f"seeds named: {', '.join(seeds) or 'none'}",
        )
    )
    async with drill.step("recover", "cull the seed (SEED_OP_CULL)", bound=seconds(10)) as notes:
        notes += [await operator.cull_seed(seed) for seed in seeds]
    async with drill.step("recover", "watch the counter stop", bound=seconds(60)) as notes:
        still = await eventually(
            lambda: _isolation(drill), _stands_still, expected="no further violation", within=seconds(60)
        )
        count = int(still.readings[0].value or 0)
        notes.append(
            f"{count} violations in {len(still.readings)} packets; seeds now {', '.join(still.seeds)}"
        )
    drill.findings.append(
        first_of(
            fail("seed-still-there", any(fault.seed in seed for seed in still.seeds)), ok="seed-gone"
        ).finding(
            expected=f"seed {fault.seed} is gone",
            observed=f"seeds: {', '.join(still.seeds) or 'none'}",
        )
    )
    async with drill.step("recover", "acknowledge the count in the target", bound=seconds(10)) as notes:
        expires = still.at + timedelta(hours=1)
        await drill.configure(
            isolation=IsolationAcknowledged(count=count, owner="the drill", expires=expires)
        )
        notes.append(f"[esper.isolation] count = {count}")
    async with drill.step(
        "recover", "run the forge again, to replace the fallback kernel", bound=seconds(30)
    ) as notes:
        notes.append(await operator.run_forge())

    await drill.recovered(*STEADY, within=seconds(60))


async def _alert(drill: Drill) -> str:
    alerts, _ = await drill.site.client.nissa.summary()
    active = next((alert for alert in alerts if alert.name == ALERT), None)
    return f"{active.value:g} violations when it fired, routes {', '.join(active.routes)}" if active else ""


async def _isolation(drill: Drill) -> Isolation:
    observed: Observation[Isolation] = (await drill.observe("isolation"))["isolation"]
    return observed.value


def _stands_still(isolation: Isolation) -> bool:
    """The newest packets agree, and the last recorded violation is older than all of them."""
    newest = isolation.readings[:5]
    return len({r.value for r in newest}) == 1 and all(e.age_s > newest[-1].age_s for e in isolation.recorded)

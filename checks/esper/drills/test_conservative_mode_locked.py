"""Drill of runbook 5, "Tamiyo Conservative Mode Locked": show the cause, verify stability, switch the mode off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.tamiyo import ConservativeMode
from opsverify import Verdict, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.esper.training.models import Conservative

STEADY = (
    "E-TOL-1",
    "E-TAM-2",
    "E-TAM-3",
    "E-SIM-2",
    "E-REC-3b",
    "E-NIS-4",
)


@pytest.mark.check(
    id="E-REC-3",
    severity="P2",
    profiles="drill",
    subsystem="tamiyo",
    runbook='5 "Tamiyo Conservative Mode Locked"',
    next_step="rehearse by hand on a twin; on the real program the switch is a method of an object inside the training process",
)
async def test_a_locked_conservative_mode_is_explained_and_switched_off(drill: Drill) -> None:
    """A locked conservative mode is detected and explained, and switched off once what Tamiyo decides on is stable."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(ConservativeMode(drill.twin, drill.site.arming))
    await drill.detected("E-TAM-2", within=seconds(30))

    operator = drill.site.operator()
    async with drill.step("recover", "show the cause", bound=seconds(10)) as notes:
        state: Conservative = (await drill.observe("conservative_mode"))["conservative_mode"].value
        pauses = [e for e in state.reasons if e.attributes.get("conservative") == "true"]
        notes.append(f"{len(pauses)} pauses in conservative mode, loss_delta {state.loss_delta}")
    drill.findings.append(
        first_of(
            fail("cause-not-shown", not pauses or state.source.summary != "conservative_mode"),
            ok="cause-shown",
        ).finding(
            expected="pause_triggered events with conservative true, and Tamiyo's health says conservative_mode",
            observed=f"{len(pauses)} events, health {state.source.health} {state.source.summary!r}",
        )
    )
    async with drill.step("recover", "verify stability", bound=seconds(10)) as notes:
        judged = await drill.judge("E-TAM-3")
        stable = judged["E-TAM-3"]
        notes.append(f"E-TAM-3 {stable.verdict}: {stable.findings[0].observed}")
    drill.findings.append(
        first_of(fail("not-stable", stable.verdict is not Verdict.PASS), ok="stable").finding(
            expected="loss, loss delta and risk within limits before the mode is switched off",
            observed=f"E-TAM-3 {stable.verdict}",
        )
    )
    async with drill.step("recover", "switch conservative mode off", bound=seconds(10)) as notes:
        notes.append(await operator.set_conservative_mode(on=False))

    await drill.recovered(*STEADY, within=seconds(60))

"""Drill of runbook 4, "Tamiyo": a blueprint is quarantined, its risk is compared with the library, another one is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.tamiyo import BlueprintQuarantined
from opsverify import Verdict, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.esper.training.models import Quarantine

STEADY = (
    "E-TAM-2",
    "E-TAM-3",
    "E-REC-6b",
    "E-URZ-3",
    "E-NIS-4",
)


@pytest.mark.check(
    id="E-REC-6",
    severity="P2",
    profiles="drill",
    subsystem="tamiyo",
    runbook='4 "Tamiyo"',
    next_step="rehearse by hand on a twin; a quarantine only turns the command into a pause, which Tolaria ignores",
)
async def test_a_quarantined_blueprint_is_held_against_the_library(drill: Drill) -> None:
    """A quarantined blueprint is detected, its risk and tier equal those in the library, the response shows, and another blueprint replaces it."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(BlueprintQuarantined(drill.twin, drill.site.arming))
    await drill.detected("E-TAM-3", within=seconds(30))

    operator = drill.site.operator()
    async with drill.step("recover", "compare risk and tier with the library", bound=seconds(20)) as notes:
        judged = (await drill.judge("E-REC-6b"))["E-REC-6b"]
        notes += [f.observed for f in judged.findings]
    drill.findings.append(
        first_of(fail("risk-differs", judged.verdict is not Verdict.PASS), ok="risk-agrees").finding(
            expected="risk and tier on the bus equal those in the library",
            observed=f"E-REC-6b {judged.verdict} {judged.explanation}",
        )
    )
    async with drill.step("recover", "show the response", bound=seconds(20)) as notes:
        state: Quarantine = (await drill.observe("quarantine"))["quarantine"].value
        response = [e for e in state.response if e.description == "bp_quarantine"]
        notes.append(
            f"{len(response)} bp_quarantine events, health {state.source.health} {state.source.summary!r}"
        )
    drill.findings.append(
        first_of(
            fail("response-not-shown", not response or state.source.summary != "bp_high_risk"),
            ok="response-shown",
        ).finding(
            expected="bp_quarantine events, and Tamiyo's health says bp_high_risk",
            observed=f"{len(response)} events, health {state.source.health} {state.source.summary!r}",
        )
    )
    async with drill.step("recover", "choose another blueprint", bound=seconds(10)) as notes:
        notes.append(await operator.choose_blueprint("BP001"))

    await drill.recovered(*STEADY, within=seconds(60))

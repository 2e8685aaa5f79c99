"""Rehearses runbook 4, "Tamiyo": a blueprint is quarantined; its risk is held against the library, and another is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper import test_nissa, test_recovery, test_tamiyo, test_urza
from fixtures.esper.faults.tamiyo import BlueprintQuarantined
from opsverify import Verdict, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.esper.training.models import Quarantine

STEADY = (
    test_tamiyo.test_tamiyo_is_not_in_conservative_mode,
    test_tamiyo.test_tamiyo_decides_on_values_within_limits,
    test_recovery.test_a_blueprints_risk_is_the_librarys,
    test_urza.test_every_blueprint_has_its_artifact,
    test_nissa.test_nissa_counts_what_arrives,
)


@pytest.mark.check(
    id="E-REC-6",
    severity="P2",
    profiles="drill",
    subsystem="tamiyo",
    runbook=test_recovery.QUARANTINE,
    next_step="rehearse by hand on a twin; a quarantine only rewrites the command to a pause, which Tolaria does not honour",
)
async def test_a_quarantined_blueprint_is_held_against_the_library(drill: Drill) -> None:
    """A quarantined blueprint is detected, its risk and tier are the library's, the response shows, and another takes its place."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(BlueprintQuarantined(drill.twin, drill.site.arming))
    await drill.detected(test_tamiyo.test_tamiyo_decides_on_values_within_limits, within=seconds(30))

    operator = drill.site.operator()
    async with drill.step("recover", "hold risk and tier against the library", bound=seconds(20)) as notes:
        judged = (await drill.judge(test_recovery.test_a_blueprints_risk_is_the_librarys))["E-REC-6b"]
        notes += [f.observed for f in judged.findings]
    drill.findings.append(
        first_of(fail("risk-differs", judged.verdict is not Verdict.PASS), ok="risk-agrees").finding(
            expected="risk and tier on the bus are those of the library",
            observed=f"E-REC-6b {judged.verdict} {judged.explanation}",
        )
    )
    async with drill.step("recover", "show the response", bound=seconds(20)) as notes:
        seen: Quarantine = (await drill.observe("quarantine"))["quarantine"].value
        response = [e for e in seen.response if e.description == "bp_quarantine"]
        notes.append(f"{len(response)} quarantines, health {seen.source.health} {seen.source.summary!r}")
    drill.findings.append(
        first_of(
            fail("response-not-shown", not response or seen.source.summary != "bp_high_risk"),
            ok="response-shown",
        ).finding(
            expected="bp_quarantine, and Tamiyo's health says bp_high_risk",
            observed=f"{len(response)} such events, health {seen.source.health} {seen.source.summary!r}",
        )
    )
    async with drill.step("recover", "choose another blueprint", bound=seconds(10)) as notes:
        notes.append(await operator.choose_blueprint("BP001"))

    await drill.recovered(*STEADY, within=seconds(60))

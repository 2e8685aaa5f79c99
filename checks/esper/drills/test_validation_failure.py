"""Drill of runbook 5, "Simic Validation Failure": read the reasons, review the field reports, train again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.simic import ValidationFailed
from opsverify import Verdict, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.esper.training.models import PolicyStream, PolicyValidation

STEADY = (
    "E-SIM-1",
    "E-SIM-2",
    "E-SIM-3",
    "E-TAM-1",
    "E-REC-5b",
    "E-NIS-4",
)


@pytest.mark.check(
    id="E-REC-5",
    severity="P1",
    profiles="drill",
    subsystem="simic",
    runbook='5 "Simic Validation Failure"',
    next_step="rehearse by hand on a twin: the real program exits before it publishes the outcome, and Tamiyo keeps no last known-good policy",
)
async def test_a_failed_validation_is_explained_and_trained_again(drill: Drill) -> None:
    """A failed validation is detected with its reasons, the reports are reviewed, and a new policy passes and is published."""
    await drill.steady(*STEADY, within=seconds(30))
    fault = ValidationFailed(drill.twin, drill.site.arming)
    await drill.inject(fault)
    await drill.detected("E-SIM-2", within=seconds(30))

    operator = drill.site.operator()
    async with drill.step("recover", "read the reasons", bound=seconds(10)) as notes:
        observed = await drill.observe("policy_validation", "policy_updates")
        failed: PolicyValidation = observed["policy_validation"].value
        blocked: PolicyStream = observed["policy_updates"].value
        notes += [failed.reasons, f"newest policy {blocked.policy_id}"]
    drill.findings.append(
        first_of(fail("reasons-not-shown", not failed.reasons), ok="reasons-shown").finding(
            expected="the reasons why validation failed",
            observed=failed.reasons or "none",
        )
    )
    async with drill.step("recover", "review the field reports", bound=seconds(20)) as notes:
        reviewed = (await drill.judge("E-TAM-1"))["E-TAM-1"]
        notes.append(f"E-TAM-1 {reviewed.verdict}: {reviewed.findings[0].observed}")
    drill.findings.append(
        first_of(
            fail("reports-not-well", reviewed.verdict is not Verdict.PASS), ok="reports-reviewed"
        ).finding(
            expected="the field reports that Simic trains on are intact and recent",
            observed=f"E-TAM-1 {reviewed.verdict}",
        )
    )
    async with drill.step("recover", "train again", bound=seconds(30)) as notes:
        notes.append(await operator.retrain())

    await drill.recovered(*STEADY, within=seconds(60))
    updated: PolicyStream = (await drill.observe("policy_updates"))["policy_updates"].value
    drill.findings.append(
        first_of(fail("policy-not-published", updated.entry == blocked.entry), ok="policy-published").finding(
            expected=f"a policy update after {blocked.policy_id}",
            observed=f"{updated.policy_id} ({updated.entry})",
        )
    )

"""Drill of "API down" (runbook, "Progress Event Check"): an automation error, never an assessment failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, declare_over, nothing_lost
from fixtures.statehub.faults.drills.recovery import ApiDiesInTheMiddle
from opsverify import seconds
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(
    id="S-REC-4",
    severity="P1",
    profiles="drill",
    subsystem="api",
    runbook='"Progress Event Check"',
    next_step="rehearse by hand on a twin: an API that died during a sweep was not detected, or did not recover",
)
async def test_an_api_that_dies_in_the_middle_is_an_automation_error(drill: Drill) -> None:
    """An API that dies during a sweep shows as an automation error, not as assessment failures, and recovers."""
    before = await begin(drill)
    await drill.inject(ApiDiesInTheMiddle(drill.twin, drill.site.arming))
    await drill.detected(
        "S-API-1",
        within=seconds(20),
        beside=("S-DB-1",),
    )

    async with drill.step("recover", "start the API", bound=seconds(30)) as notes:
        notes.append(await drill.site.operator().start_api())
    trace = await drill.detected("S-ACT-1", within=seconds(40))
    drill.findings.append(
        first_of(fail("not-told-apart", trace.reason != "automation-error"), ok="told-apart").finding(
            expected="the interrupted sweep is recorded as an automation error",
            observed=f"S-ACT-1 says {trace.reason}: {trace.findings[0].observed if trace.findings else ''}",
        )
    )
    await declare_over(drill)
    await drill.recovered(*STEADY, within=seconds(60))

    after = await nothing_lost(drill, before)
    counts = {e.result.assessment_failures for e in (*before.worked[:1], *after.worked[:1])}
    drill.findings.append(
        first_of(
            fail("assessment-changed", len(counts) > 1),
            unknown("assessment-missing", not (before.worked and after.worked)),
            ok="assessment-untouched",
        ).finding(
            expected="as many assessment failures as before: the fault is not an assessment failure",
            observed=f"assessment_failures {', '.join(sorted(map(str, counts))) or 'not reported'}",
        )
    )

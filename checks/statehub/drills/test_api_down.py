"""Rehearses "API down" (runbook, "Progress Event Check"): an automation error, never an assessment failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub import test_activity, test_api, test_progress, test_schedule
from fixtures.statehub.faults import ApiDiesInTheMiddle
from opsverify import seconds

if TYPE_CHECKING:
    from opsverify.drill import Drill

STEADY = (
    test_api.test_api_and_bridge_show_the_same_newest_event,
    test_schedule.test_the_definition_is_as_promised,
    test_progress.test_sweeps_have_not_stopped,
    test_progress.test_no_sweep_is_missing,
    test_progress.test_evidence_is_healthy,
    test_progress.test_automation_does_not_keep_failing,
    test_progress.test_the_newest_sweep_did_its_work,
    test_progress.test_assessment_failures_do_not_rise,
    test_activity.test_the_database_answers_and_is_current,
    test_activity.test_one_run_for_each_instant,
)


@pytest.mark.check(
    id="S-REC-4",
    severity="P1",
    profiles="drill",
    subsystem="api",
    runbook='"Progress Event Check"',
    next_step="rehearse by hand on a twin: an API that died in the middle of a sweep was not seen, or not recovered from",
)
async def test_an_api_that_dies_in_the_middle_is_an_automation_error(drill: Drill) -> None:
    """An API that dies during a sweep is seen as an automation error, not as assessment failures, and is recovered from."""
    async with drill.step("steady state", "a schedule of a few seconds") as notes:
        notes.append(drill.twin.quicken(drill.site))
    await drill.steady(*STEADY, within=seconds(60))
    before = (await drill.observe("progress_events"))["progress_events"].value
    await drill.inject(ApiDiesInTheMiddle(drill.twin, drill.site.arming))
    await drill.detected(
        test_api.test_api_and_bridge_show_the_same_newest_event,
        within=seconds(20),
        beside=(test_activity.test_the_database_answers_and_is_current,),
    )

    async with drill.step("recover", "start the API", bound=seconds(30)) as notes:
        notes.append(await drill.site.operator().start_api())
    trace = await drill.detected(test_activity.test_one_run_for_each_instant, within=seconds(40))
    drill.conclude(
        holds=trace.reason == "automation-error",
        reason="told-apart" if trace.reason == "automation-error" else "not-told-apart",
        expected="the sweep that was cut is written down as an automation error",
        observed=f"S-ACT-1 says {trace.reason}: {trace.findings[0].observed if trace.findings else ''}",
    )
    async with drill.step("recover", "declare the incident over") as notes:
        notes.append(drill.twin.declare_incident_over(drill.site))
    await drill.recovered(*STEADY, within=seconds(60))

    after = (await drill.observe("progress_events"))["progress_events"].value
    known = {event.id for event in after.events}
    lost = [e.id for e in before.events if e.at >= after.covers and e.id not in known]
    drill.conclude(
        holds=not lost,
        reason="lost" if lost else "nothing-lost",
        expected="every event from before is still there",
        observed=f"{len(lost)} of {len(before.events)} lost"
        if lost
        else f"all {len(before.events)} are there",
        details=tuple(lost[:20]),
    )
    counts = {e.result.assessment_failures for e in (*before.worked[:1], *after.worked[:1])}
    drill.conclude(
        holds=len(counts) == 1,
        reason="assessment-untouched" if len(counts) == 1 else "assessment-changed",
        expected="as many assessment failures as before: the fault is no hygiene gap",
        observed=f"{sorted(map(str, counts))}",
    )

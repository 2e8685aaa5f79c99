"""Rehearses "tunnel down" (runbook, "Schedule Check" and "Manual Canary"): seen, connected again, sweeps resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub import test_activity, test_api, test_progress, test_tunnel
from checks.statehub.drills.steady import STEADY, begin, declare_over, interval, nothing_lost
from fixtures.statehub.faults.drills import TunnelDown
from opsverify import seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(
    id="S-REC-6",
    severity="P2",
    profiles="drill",
    subsystem="tunnel",
    runbook='"Schedule Check"',
    next_step="rehearse by hand on a twin: a tunnel that is down was not seen, or sweeps did not resume after it",
)
async def test_a_tunnel_that_is_down_is_seen_and_connected_again(drill: Drill) -> None:
    """A tunnel that is down is seen at once, stops the sweeps as an automation error, and is connected again."""
    before = await begin(drill)
    await drill.inject(TunnelDown(drill.twin, drill.site.arming))
    await drill.detected(test_api.test_api_and_bridge_show_the_same_newest_event, within=seconds(10))
    await drill.detected(test_tunnel.test_the_bridge_leads_to_this_state_hub, within=seconds(10))
    await drill.detected(test_progress.test_no_sweep_is_missing, within=interval(drill) * 2)
    trace = await drill.detected(test_activity.test_one_run_for_each_instant, within=interval(drill) * 2)
    drill.findings.append(
        first_of(fail("not-told-apart", trace.reason != "automation-error"), ok="told-apart").finding(
            expected="the scheduler fired, and could not reach State Hub: an automation error, no missing run",
            observed=f"S-ACT-1 says {trace.reason}: {trace.findings[0].observed if trace.findings else ''}",
        )
    )
    async with drill.step("recover", "connect the tunnel", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().connect_tunnel())
    await declare_over(drill)
    await drill.recovered(*STEADY, within=seconds(60))
    await nothing_lost(drill, before)

"""Drill of "tunnel down" (runbook, "Schedule Check" and "Manual Canary"): detected, connected again, sweeps resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, declare_over, interval, nothing_lost
from fixtures.statehub.faults.drills.recovery import TunnelDown
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
    next_step="rehearse by hand on a twin: a tunnel that was down was not detected, or sweeps did not resume",
)
async def test_a_tunnel_that_is_down_is_seen_and_connected_again(drill: Drill) -> None:
    """A tunnel that is down is detected at once, makes sweeps fail with an automation error, and is connected again."""
    before = await begin(drill)
    await drill.inject(TunnelDown(drill.twin, drill.site.arming))
    await drill.detected("S-API-1", within=seconds(10))
    await drill.detected("S-TUN-1", within=seconds(10))
    await drill.detected("S-PRG-1b", within=interval(drill) * 2)
    trace = await drill.detected("S-ACT-1", within=interval(drill) * 2)
    drill.findings.append(
        first_of(fail("not-told-apart", trace.reason != "automation-error"), ok="told-apart").finding(
            expected="the scheduler fired and could not reach State Hub: an automation error, not a missing run",
            observed=f"S-ACT-1 says {trace.reason}: {trace.findings[0].observed if trace.findings else ''}",
        )
    )
    async with drill.step("recover", "connect the tunnel", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().connect_tunnel())
    await declare_over(drill)
    await drill.recovered(*STEADY, within=seconds(60))
    await nothing_lost(drill, before)

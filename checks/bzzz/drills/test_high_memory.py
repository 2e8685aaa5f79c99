"""Rehearses "High Memory Usage": the offender is named, restarted, and back under its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.drills.incident_steps import act, alert_fires, begin, over
from fixtures.bzzz.faults.incidents.nodes import AgentGrows
from opsverify import seconds
from opsverify.model.ladder import fail, first_of
from systems.bzzz.incidents.alerts import MEMORY

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(
    id="B-REC-9",
    severity="P2",
    profiles="drill",
    subsystem="monitoring",
    alert=MEMORY,
    runbook='"High Memory Usage" Alert',
    next_step="rehearse by hand on a twin: the agent with the high memory was not named, or stayed above its limit",
)
async def test_high_memory_is_detected_and_recovered(drill: Drill) -> None:
    """An agent that uses too much memory raises the alert and is named; restarted, it is back under its limit."""
    watch = await begin(drill, AgentGrows, MEMORY)
    await alert_fires(drill, watch)
    outcome = await drill.detected("B-REC-9b", within=seconds(10))
    offender = drill.site.section.nodes[AgentGrows.agents[0]].agent.removeprefix("http://")  # type: ignore[attr-defined]
    observed = outcome.findings[0].observed if outcome.findings else ""
    drill.findings.append(
        first_of(
            fail("offender-not-named", not observed.startswith(f"{offender} above")), ok="offender-named"
        ).finding(
            expected=f"the offender is named: {offender}",
            observed=observed,
        )
    )
    watch.begin()
    async with act(drill, "restart the high-memory service") as notes:
        notes.append(await drill.site.operator().restart_agents())
    await over(
        drill,
        watch,
        "B-REC-9b",
        "B-ALR-1e",
    )

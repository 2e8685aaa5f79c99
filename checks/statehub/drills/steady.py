"""Common begin and end of State Hub's drills: a schedule of seconds, the steady state, and no event lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsverify import seconds
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from datetime import timedelta

    from opsverify.run.drill import Drill
    from systems.statehub.sweeps.models import Sweeps

__all__ = ["STEADY", "begin", "declare_over", "events", "interval", "nothing_lost"]

STEADY = (
    "S-API-1",
    "S-SCH-1",
    "S-SCH-2",
    "S-TUN-1",
    "S-TMR-1",
    "S-SRC-1",
    "S-PRG-1",
    "S-PRG-1b",
    "S-PRG-2",
    "S-PRG-3",
    "S-PRG-3b",
    "S-LCK-1",
    "S-PRG-4",
    "S-DB-1",
    "S-ACT-1",
)


async def begin(drill: Drill) -> Sweeps:
    """Speed up the schedule and wait for the steady state; returns the events before the fault."""
    async with drill.step("steady state", "a schedule of a few seconds") as notes:
        notes.append(drill.twin.quicken(drill.site))
    await drill.steady(*STEADY, within=seconds(60))
    return await events(drill)


def interval(drill: Drill) -> timedelta:
    """From one scheduled sweep to the next."""
    section: Any = drill.site.section
    step: timedelta = section.limits.interval.duration
    return step


async def events(drill: Drill) -> Sweeps:
    """The progress events of now."""
    sweeps: Sweeps = (await drill.observe("progress_events"))["progress_events"].value
    return sweeps


async def declare_over(drill: Drill) -> None:
    """Declare the incident over: gaps from before count no longer."""
    async with drill.step("recover", "declare the incident over") as notes:
        notes.append(drill.twin.declare_incident_over(drill.site))


async def nothing_lost(drill: Drill, before: Sweeps) -> Sweeps:
    """Add the finding whether every event from before is still there; returns the events of now."""
    after = await events(drill)
    known = {event.id for event in after.events}
    lost = [e.id for e in before.events if e.at >= after.covers and e.id not in known]
    drill.findings.append(
        first_of(
            fail("lost", lost), unknown("nothing-there-before", not before.events), ok="nothing-lost"
        ).finding(
            expected="every event from before is still there",
            observed=f"{len(lost)} of {len(before.events)} events lost"
            if lost
            else f"all {len(before.events)} events are there",
            details=tuple(lost[:20]),
        )
    )
    return after

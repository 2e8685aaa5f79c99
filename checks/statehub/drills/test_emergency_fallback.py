"""Drill of "Local fallback (emergency only)": the local timer on, cluster scheduling restored, the timer off again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, declare_over, events, interval, nothing_lost
from fixtures.statehub.faults.drills.recovery import ScheduleLost
from opsverify import eventually, seconds
from opsverify.model.ladder import fail, first_of, unknown
from systems.statehub.schedule.grid import at_or_before
from systems.statehub.sweeps.manual_canary import free_moment

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.run.drill import Drill
    from systems.statehub.sweeps.models import Sweeps

LOCAL = "local-timer"


def _from(source: str, since: datetime, sweeps: Sweeps) -> int:
    """How many sweeps of that source worked since then."""
    return sum(e.result.source == source and e.at > since for e in sweeps.worked)


@pytest.mark.check(
    id="S-REC-5",
    severity="P2",
    profiles="drill",
    subsystem="timer",
    runbook='"Local fallback (emergency only)"',
    next_step="rehearse by hand on a twin: the fallback did not sweep, was not detected, or two schedulers worked at one instant",
)
async def test_the_local_timer_carries_over_and_is_off_again(drill: Drill) -> None:
    """With the cluster's schedule lost the local timer sweeps and is detected, and is off again without a double run."""
    before = await begin(drill)
    await drill.inject(ScheduleLost(drill.twin, drill.site.arming))
    await drill.detected("S-PRG-1b", within=interval(drill) * 2)
    lost = before.scheduled[0].at

    async with drill.step("recover", "switch the local timer on", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().enable_local_timer())
    async with drill.step("recover", "the local timer sweeps", bound=seconds(30)) as notes:
        sweeps = await eventually(
            lambda: events(drill),
            lambda now: _from(LOCAL, lost, now) > 1,
            expected="two sweeps of the local timer",
            within=seconds(30),
        )
        notes.append(f"{_from(LOCAL, lost, sweeps)} sweeps by {LOCAL}")
    await drill.detected("S-TMR-1", within=seconds(10))
    await drill.detected("S-SRC-1", within=seconds(20))

    async with drill.step("recover", "restore the cluster's schedule", bound=seconds(10)) as notes:
        notes.append(await drill.site.operator().reconcile_schedules())
    async with drill.step("recover", "the cluster sweeps again", bound=seconds(30)) as notes:
        resumed = sweeps.events[0].at
        sweeps = await eventually(
            lambda: events(drill),
            lambda now: any(e.result.source == now.source and e.at > resumed for e in now.scheduled),
            expected="a sweep that the cluster started",
            within=seconds(30),
        )
        notes.append(f"{sweeps.events[0].result.source} at {sweeps.events[0].at:%H:%M:%S}Z")
    async with drill.step("recover", "switch the local timer off again", bound=seconds(30)) as notes:
        notes.append(await drill.site.operator().disable_local_timer())
        await free_moment(drill.site.client)  # a sweep that it started goes on
    await declare_over(drill)
    await drill.recovered(*STEADY, within=seconds(60))

    after = await nothing_lost(drill, before)
    at_work = Counter(at_or_before(e.at, interval(drill)) for e in after.worked if e.at > lost)
    doubled = [f"{instant:%H:%M:%S}Z: {count}" for instant, count in at_work.items() if count > 1]
    drill.findings.append(
        first_of(fail("doubled", doubled), unknown("no-sweep", not at_work), ok="none-doubled").finding(
            expected="one working sweep at each instant, whoever started it",
            observed=f"{len(doubled)} of {len(at_work)} instants have more than one working sweep",
            details=tuple(doubled[:20]),
        )
    )

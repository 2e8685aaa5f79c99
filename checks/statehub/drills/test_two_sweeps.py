"""Drill of the lock (runbook, "Progress Event Check"): two sweeps at once, a killed sweep, a sweep that takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.drills.steady import STEADY, begin, declare_over, events, interval, nothing_lost
from fixtures.statehub.faults.drills.recovery import SomebodySweeps, SweepKilled
from opsverify import eventually, seconds
from opsverify.model.ladder import fail, first_of
from systems.statehub.sweeps.manual_canary import at_once, free_moment

if TYPE_CHECKING:
    from opsverify.run.drill import Drill
    from systems.statehub.sweeps.models import Sweeps

SECTION = '"Progress Event Check"'


@pytest.mark.check(
    id="S-REC-3",
    severity="P1",
    profiles="drill",
    subsystem="progress",
    runbook=SECTION,
    next_step="rehearse by hand on a twin: the lock let two sweeps work at once, or stayed held by a dead one",
)
async def test_of_two_sweeps_one_works_and_a_dead_one_holds_nothing(drill: Drill) -> None:
    """Of two sweeps at once exactly one works, and a killed sweep leaves the lock free for the next one."""
    before = await begin(drill)
    async with drill.step("fault", "two sweeps at once, through the bridge") as notes:
        await free_moment(drill.site.client)
        one, other = drill.site.operator(), drill.site.operator()
        results = await at_once(one.post_sweep, other.post_sweep)
        notes.append(f"lock_skipped: {[r.lock_skipped for r in results]}")
    skipped = sorted(r.lock_skipped for r in results)
    drill.findings.append(
        first_of(fail("not-one", skipped != [False, True]), ok="one-worked").finding(
            expected="of two sweeps one works, the other is lock_skipped",
            observed=f"{skipped.count(False)} worked, {skipped.count(True)} lock_skipped",
        )
    )

    await drill.inject(SweepKilled(drill.twin, drill.site.arming))
    await drill.detected("S-PRG-3b", within=seconds(10))
    killed = next(e for e in (await events(drill)).scheduled if e.result.automation_error)

    def has_next(sweeps: Sweeps) -> bool:
        return any(e.at > killed.at for e in sweeps.scheduled)

    async with drill.step("steady state again", "the next sweep", bound=seconds(15)):
        sweeps = await eventually(
            lambda: events(drill), has_next, expected="a sweep after the killed one", within=seconds(15)
        )
    following = min((e for e in sweeps.scheduled if e.at > killed.at), key=lambda e: e.at).result
    drill.findings.append(
        first_of(
            fail("lock-held", following.lock_skipped or following.automation_error), ok="lock-free"
        ).finding(
            expected="the sweep after the killed one gets the lock, and works",
            observed=f"lock_skipped {following.lock_skipped}, automation_error {following.automation_error}",
        )
    )
    await drill.recovered(*STEADY, within=seconds(60))
    await nothing_lost(drill, before)


@pytest.mark.check(
    id="S-LCK-1d",
    severity="P2",
    profiles="drill",
    subsystem="progress",
    runbook=SECTION,
    next_step="rehearse by hand on a twin: one lock_skipped sweep counted as a failure, or a lock that stays held was not detected",
)
async def test_one_skip_is_normal_and_several_are_seen(drill: Drill) -> None:
    """One lock_skipped sweep is normal, several in a row are detected, and sweeps work again once the lock is free."""
    before = await begin(drill)
    held = "S-LCK-1"
    fault = SomebodySweeps(drill.twin, drill.site.arming)
    await drill.inject(fault)
    once = (await drill.judge(held))["S-LCK-1"]
    skips = sum(e.result.lock_skipped for e in (await events(drill)).scheduled)
    drill.findings.append(
        first_of(
            fail("one-is-red", once.verdict != "PASS"), fail("not-one-skip", skips != 1), ok="one-is-normal"
        ).finding(
            expected="S-LCK-1 passes after one lock_skipped sweep",
            observed=f"{skips} lock_skipped, S-LCK-1 {once.verdict} {once.reason}",
        )
    )
    await drill.detected(held, within=interval(drill) * 3)
    async with drill.step("recover", "the sweep that holds the lock ends") as notes:
        fault.restore()
        notes.append(fault.state())
    await declare_over(drill)
    await drill.recovered(*STEADY, within=seconds(60))
    await nothing_lost(drill, before)

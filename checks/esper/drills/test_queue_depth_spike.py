"""Drill of runbook 5, "Oona Queue Depth Spike": detect it, slow the publishers, scale consumers, drain, trim, lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.accounting import Accounting, drained
from fixtures.esper.faults.drills.queue_spike import QueueSpike
from opsverify import seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

STEADY = (
    "E-INF-1",
    "E-OON-1",
    "E-OON-2",
    "E-OON-2b",
    "E-OON-2c",
    "E-OON-3",
    "E-OON-4",
    "E-OON-5",
    "E-REC-1b",
    "E-NIS-1",
    "E-NIS-4",
)


@pytest.mark.check(
    id="E-REC-1",
    severity="P1",
    profiles="drill",
    subsystem="oona",
    alert="oona_queue_depth",
    runbook='5 "Oona Queue Depth Spike"',
    next_step="rehearse by hand on a twin: the recovery that the runbook describes does not work as written (XLEN never falls by consuming)",
)
async def test_a_queue_depth_spike_is_detected_and_recovered_without_loss(drill: Drill) -> None:
    """A queue-depth spike is detected and recovered by the runbook's steps, and no accepted message is lost."""
    await drill.steady(*STEADY, within=seconds(30))
    await drill.inject(QueueSpike(drill.twin, drill.site.arming))
    await drill.detected("E-OON-2", within=seconds(60))

    operator, books = drill.site.operator(), Accounting(drill.twin, drill.site.client)
    async with drill.step("recover", "slow the publishers", bound=seconds(10)) as notes:
        notes.append(await operator.ease_publishers())
    async with drill.step("recover", "scale the consumers", bound=seconds(30)) as notes:
        # A quiet bus drains slowly: Nissa blocks a second on telemetry before each 50 entries of the normal stream.
        notes += [await operator.scale_consumers(f"drill-{number}") for number in (2, 3, 4)]
    async with drill.step("recover", "drain", bound=seconds(120)) as notes:
        notes.append(await drained(drill.site.client, within=seconds(120)))
    async with drill.step("recover", "trim what every group has read", bound=seconds(30)) as notes:
        await books.note()
        notes.append(f"{await operator.trim_stream('normal')} entries removed")
    async with drill.step("recover", "replay what was rerouted", bound=seconds(60)) as notes:
        # Only after the trim: while the stream is long, every publish is rerouted again.
        notes.append(f"{await operator.replay_emergency()} entries back on the normal stream")
    async with drill.step("recover", "resume the trainer", bound=seconds(10)) as notes:
        notes.append(await operator.resume_publishers())

    async with drill.step("recover", "release the extra consumers", bound=seconds(30)) as notes:
        # While they share the work, Nissa's own counters show only a share of it.
        notes.append(await operator.release_consumers())

    await drill.recovered(*STEADY, within=seconds(60))
    await books.note()
    lost = books.lost()
    drill.findings.append(
        first_of(fail("lost", lost), fail("nothing-accepted", not books.accepted), ok="nothing-lost").finding(
            expected="every packet that the bus accepted is accounted for",
            observed=f"{len(lost)} of {books.accepted} accepted packets lost"
            if lost
            else f"all {books.accepted} accepted packets accounted for",
            details=tuple(sorted(lost)[:20]),
        )
    )

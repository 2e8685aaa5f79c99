"""Drill of runbook 6, a shutdown: services stop on request, an interrupted forge can resume, logs are archived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.drills.forge import ForgeAtWork
from opsverify import Verdict, seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.run.drill import Drill
    from systems.esper.forge.models import Forge

STEADY = (
    "E-INF-1",
    "E-NIS-1",
    "E-NIS-4",
    "E-TOL-1",
    "E-TAM-1",
    "E-UP-4",
)
STOPPING = seconds(10)
_INTERRUPTED = 130
_SHOWN = 5


@pytest.mark.check(
    id="E-DN-1",
    severity="P2",
    profiles="drill",
    subsystem="infra",
    runbook='6 "Shutdown Procedures"',
    next_step="rehearse by hand on a twin; look at a service that does not stop in time before you kill it",
)
async def test_a_shutdown_is_orderly_and_can_be_taken_back(drill: Drill) -> None:
    """Services stop in time, an interrupted forge leaves a WAL to resume from, logs are archived, and everything starts again."""
    await drill.steady(*STEADY, within=seconds(30))
    operator = drill.site.operator()
    before: Mapping[str, str] = await drill.site.client.files.artifacts()
    await drill.inject(ForgeAtWork(drill.twin, drill.site.arming))

    for service, status in (("trainer", {0, -2}), ("nissa", {0}), ("forge", {_INTERRUPTED, -2})):
        async with drill.step("recover", f"end {service} (Ctrl-C)", bound=STOPPING) as notes:
            ended = await operator.stop_service(service)
            notes.append(ended)
        drill.findings.append(
            first_of(
                fail("not-ended-in-order", not any(ended.endswith(f"status {s}") for s in status)),
                ok="ended-in-order",
            ).finding(
                expected=f"{service} ends with status {' or '.join(map(str, sorted(status)))}",
                observed=ended,
            )
        )
    async with drill.step("recover", "read what the forge left", bound=seconds(15)) as notes:
        left: Forge = (await drill.observe("forge"))["forge"].value
        notes += [f"pending: {', '.join(left.forge.pending[:_SHOWN])} …", *left.investigation]
    drill.findings.append(
        first_of(
            fail("forge-cannot-go-on", not left.forge.pending or left.forge.problem), ok="forge-can-go-on"
        ).finding(
            expected="the interrupted forge leaves a WAL with pending blueprints",
            observed=left.forge.problem or f"{len(left.forge.pending)} blueprints pending",
        )
    )
    async with drill.step("recover", "archive the logs", bound=seconds(15)) as notes:
        destination = drill.twin.stack.folder / "archive.tar.gz"
        notes.append(await operator.archive_logs(str(destination)))
        missing = drill.twin.not_archived(destination)
    drill.findings.append(
        first_of(fail("logs-not-archived", missing), ok="logs-archived").finding(
            expected="every file of var/tamiyo and var/urza is in the archive, byte for byte",
            observed=f"missing or different: {', '.join(missing)}" if missing else "all files archived",
        )
    )
    async with drill.step("recover", "end Redis", bound=STOPPING) as notes:
        notes.append(await operator.stop_service("redis"))
    async with drill.step("recover", "verify that nothing answers", bound=seconds(20)) as notes:
        quiet = await drill.judge(
            "E-INF-1",
            "E-NIS-1",
            "E-INF-3",  # still up: the network is not cut
        )
        notes.append(", ".join(f"{check} {o.verdict} {o.reason}" for check, o in quiet.items()))
    drill.findings.append(
        first_of(
            fail(
                "something-answers",
                [o.verdict for o in quiet.values()] != [Verdict.FAIL, Verdict.FAIL, Verdict.PASS],
            ),
            ok="all-is-down",
        ).finding(
            expected="Redis and Nissa no longer answer; Grafana, which is not part of the program, does",
            observed=", ".join(f"{check} {o.verdict}" for check, o in quiet.items()),
        )
    )
    async with drill.step("recover", "start again: Redis, Nissa, forge, trainer", bound=seconds(60)) as notes:
        notes += [await operator.start_service(service) for service in ("redis", "nissa")]
        notes.append(await operator.run_forge())
        notes.append(await operator.start_service("trainer"))

    await drill.recovered(*STEADY, "E-REC-2b", within=seconds(60))
    after: Mapping[str, str] = await drill.site.client.files.artifacts()
    drill.findings.append(
        first_of(
            fail("library-not-complete", not before or after.keys() != before.keys()), ok="library-complete"
        ).finding(
            expected=f"the forge resumed, and the library is complete: {len(before)} artifacts",
            observed=f"{len(after)} artifacts",
        )
    )

"""Steps of every incident drill: steady state, the real alert fires, and clears and stays clear."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from opsverify import seconds
from opsverify.model.deadline import DeadlinePassed
from opsverify.model.ladder import fail, first_of
from opsverify.model.verdict import CheckFailed
from systems.bzzz.alerting.wait import AlertWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fixtures.bzzz.faults.shared.incidents import IncidentFault
    from opsverify.run.drill import Drill

__all__ = ["ALERT", "CLEAR", "STEADY", "act", "alert_clears", "alert_fires", "begin", "over"]

ALERT, CLEAR, ACTION = seconds(30), seconds(40), seconds(60)

STEADY = (
    "B-API-1b",
    "B-API-2",
    "B-P2P-1",
    "B-P2P-2",
    "B-DHT-1",
    "B-ELE-1",
    "B-SLP-1",
    "B-MON-1",
    "B-MON-1b",
    "B-MON-3",
    "B-VAL-1b",
)


async def begin(drill: Drill, fault: type[IncidentFault], alert: str) -> AlertWatch:
    """The steady state, then the fault; the alert is timed from before the injection, which takes a while."""
    await drill.steady(*STEADY, within=seconds(60))
    watch = AlertWatch(drill.site.client, alert)
    await drill.inject(fault(drill.twin, drill.site.arming, rehearsed=True))
    return watch


async def alert_fires(drill: Drill, watch: AlertWatch) -> None:
    """The real alert fires in the real Alertmanager. Raises CheckFailed where it does not."""
    async with drill.step("detect", f"{watch.alert} fires in Alertmanager", bound=ALERT) as notes:
        try:
            message = await watch.fires(within=ALERT)
        except DeadlinePassed as passed:
            drill.findings.append(
                first_of(fail("alert-did-not-fire", passed), ok="alert-fired").finding(
                    expected=f"{watch.alert} fires within {ALERT.total_seconds():g} s", observed=str(passed)
                )
            )
            raise CheckFailed(drill.findings) from None
        notes.append(message)
    drill.findings.append(
        first_of(ok="alert-fired").finding(
            expected=f"{watch.alert} fires within {ALERT.total_seconds():g} s of the fault",
            observed=message,
        )
    )


@asynccontextmanager
async def act(drill: Drill, title: str) -> AsyncIterator[list[str]]:
    """One of the runbook's steps, by the operator."""
    async with drill.step("recover", title, bound=ACTION) as notes:
        yield notes


async def alert_clears(drill: Drill, watch: AlertWatch) -> None:
    """The alert clears. Raises CheckFailed where it does not."""
    async with drill.step("recover", f"{watch.alert} clears in Alertmanager", bound=CLEAR) as notes:
        try:
            message = await watch.clears(within=CLEAR)
        except DeadlinePassed as passed:
            drill.findings.append(
                first_of(fail("alert-did-not-clear", passed), ok="alert-cleared").finding(
                    expected=f"{watch.alert} clears within {CLEAR.total_seconds():g} s", observed=str(passed)
                )
            )
            raise CheckFailed(drill.findings) from None
        notes.append(message)
    drill.findings.append(
        first_of(ok="alert-cleared").finding(
            expected=f"{watch.alert} clears within {CLEAR.total_seconds():g} s of the recovery",
            observed=message,
        )
    )


async def over(drill: Drill, watch: AlertWatch, *checks: str) -> None:
    """The alert clears, the steady state is back, and the alert stays clear for as long as `cleared_for` says."""
    await alert_clears(drill, watch)
    await drill.recovered(*STEADY, *checks, within=seconds(60))

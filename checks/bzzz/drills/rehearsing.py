"""What every incident's drill of BZZZ has: steady state, the real alert that fires, and the same that clears and stays clear."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from checks.bzzz import (
    test_api,
    test_dht,
    test_election,
    test_incidents,
    test_monitoring,
    test_p2p,
    test_slurp,
)
from opsverify import seconds
from opsverify.model.deadline import DeadlinePassed
from opsverify.model.ladder import fail, first_of
from opsverify.model.verdict import CheckFailed
from systems.bzzz.alerting.wait import AlertWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fixtures.bzzz.faults.shared.incidents import IncidentFault
    from opsverify.run.drill import Drill

__all__ = ["ALERT", "CLEAR", "STEADY", "act", "alert_clears", "alert_fires", "begin", "over"]

ALERT, CLEAR, ACTION = seconds(30), seconds(40), seconds(60)

STEADY = (
    test_api.test_the_api_is_not_degraded,
    test_api.test_every_component_is_healthy,
    test_p2p.test_every_agent_has_enough_peers,
    test_p2p.test_bootstraps_accept_and_keep_connections,
    test_dht.test_content_is_replicated,
    test_election.test_one_admin_is_elected,
    test_slurp.test_slurp_is_led_by_the_admin,
    test_monitoring.test_no_agent_is_critical,
    test_monitoring.test_no_agent_is_degraded,
    test_monitoring.test_nothing_fires_and_alerting_works,
    test_incidents.test_services_data_and_peers_are_back,
)


async def begin(drill: Drill, fault: type[IncidentFault], alert: str) -> AlertWatch:
    """The steady state, then the fault; the alert is timed from before it, since a fault takes its time."""
    await drill.steady(*STEADY, within=seconds(60))
    watch = AlertWatch(drill.site.client, alert)
    await drill.inject(fault(drill.twin, drill.site.arming, rehearsed=True))
    return watch


async def alert_fires(drill: Drill, watch: AlertWatch) -> None:
    """The real alert fires in the real Alertmanager. Raises CheckFailed where it does not."""
    async with drill.step("detect", f"{watch.alert} fires in Alertmanager", bound=ALERT) as notes:
        try:
            told = await watch.fires(within=ALERT)
        except DeadlinePassed as passed:
            drill.findings.append(
                first_of(fail("alert-did-not-fire", passed), ok="alert-fired").finding(
                    expected=f"{watch.alert} fires within {ALERT.total_seconds():g} s", observed=str(passed)
                )
            )
            raise CheckFailed(drill.findings) from None
        notes.append(told)
    drill.findings.append(
        first_of(ok="alert-fired").finding(
            expected=f"{watch.alert} fires within {ALERT.total_seconds():g} s of the fault",
            observed=told,
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
            told = await watch.clears(within=CLEAR)
        except DeadlinePassed as passed:
            drill.findings.append(
                first_of(fail("alert-did-not-clear", passed), ok="alert-cleared").finding(
                    expected=f"{watch.alert} clears within {CLEAR.total_seconds():g} s", observed=str(passed)
                )
            )
            raise CheckFailed(drill.findings) from None
        notes.append(told)
    drill.findings.append(
        first_of(ok="alert-cleared").finding(
            expected=f"{watch.alert} clears within {CLEAR.total_seconds():g} s of the recovery",
            observed=told,
        )
    )


async def over(drill: Drill, watch: AlertWatch, *checks: Callable[..., Any]) -> None:
    """The alert clears, the steady state is back, and the alert stays clear as long as `cleared_for` wants it watched."""
    await alert_clears(drill, watch)
    await drill.recovered(*STEADY, *checks, within=seconds(60))

"""Checks of alerts, the rules behind them, and their notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.alerting import criteria as alerting
from opsverify import verify
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, INCIDENTS, MEMORY, PEERS, REPLICATION

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.alerting.models import Alerts, Cleared, Failures, TestAlert
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.models import Watching

VALIDATION, STATUS = '"Alert Validation"', '"Check Alert Status"'
CLEAR_NEXT = "follow the incident's section again; B-MON-3 shows what fires and what is muted"


@pytest.mark.check(
    id="B-MON-3",
    subsystem="monitoring",
    severity="P1",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=STATUS,
    next_step="follow each alert's section of the runbook; missing rules are in docs/bzzz/bzzz.rules.yml",
)
def test_nothing_fires_and_alerting_works(
    watching: Observation[Watching], alerts: Observation[Alerts], limits: BzzzLimits
) -> None:
    """No alert fires, no incident's alert is muted, the Watchdog is active, and the needed rules are loaded and evaluated."""
    active, rules = alerts.value, watching.value
    verify(
        alerting.alertmanager_known(rules),
        alerting.rules_loaded(rules),
        alerting.rules_evaluated(rules, limits),
        alerting.watchdog_fires(active, limits),
        alerting.nothing_is_muted(active, INCIDENTS, limits),
        alerting.nothing_fires(active, limits),
    )


@pytest.mark.check(
    id="B-MON-3b",
    subsystem="monitoring",
    severity="P2",
    profiles="smoke canary",
    runbook=STATUS,
    next_step="add `or absent(METRIC)` to each, as in docs/bzzz/bzzz.rules.yml",
)
def test_rules_hear_silence(watching: Observation[Watching]) -> None:
    """Each rule of an incident, of capacity and of memory also fires when its metric has vanished."""
    verify(alerting.rules_hear_silence(watching.value))


@pytest.mark.check(
    id="B-MON-5",
    subsystem="monitoring",
    severity="P1",
    profiles="canary",
    runbook=STATUS,
    next_step="read Alertmanager's log for the integration that fails; check its address, its token, and the receiver itself",
)
def test_notifications_leave(notification_failures: Observation[Failures], limits: BzzzLimits) -> None:
    """No notification of Alertmanager failed recently."""
    verify(alerting.notifications_leave(notification_failures.value, limits))


@pytest.mark.check(
    id="B-MON-5b",
    subsystem="monitoring",
    severity="P1",
    profiles="canary",
    runbook=STATUS,
    next_step="check how an alert with the labels of [bzzz.alertmanager] test_labels is routed (amtool config routes test), and whether its receiver accepts it (B-MON-5)",
)
def test_a_test_alert_is_heard(test_alert: Observation[TestAlert], limits: BzzzLimits) -> None:
    """An alert that is posted to Alertmanager reaches its receiver."""
    verify(alerting.heard(test_alert.value, limits))


@pytest.mark.check(
    id="B-ALR-1",
    subsystem="monitoring",
    severity="P1",
    profiles="incident",
    alert=HEALTH,
    runbook=VALIDATION,
    next_step=CLEAR_NEXT,
)
def test_the_alert_on_health_has_cleared(cleared_health: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on system health has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_health.value, limits))


@pytest.mark.check(
    id="B-ALR-1b",
    subsystem="monitoring",
    severity="P1",
    profiles="incident",
    alert=PEERS,
    runbook=VALIDATION,
    next_step=CLEAR_NEXT,
)
def test_the_alert_on_peers_has_cleared(cleared_peers: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on too few peers has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_peers.value, limits))


@pytest.mark.check(
    id="B-ALR-1c",
    subsystem="monitoring",
    severity="P1",
    profiles="incident",
    alert=ADMIN,
    runbook=VALIDATION,
    next_step=CLEAR_NEXT,
)
def test_the_alert_on_the_admin_has_cleared(cleared_admin: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on a missing admin has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_admin.value, limits))


@pytest.mark.check(
    id="B-ALR-1d",
    subsystem="monitoring",
    severity="P1",
    profiles="incident",
    alert=REPLICATION,
    runbook=VALIDATION,
    next_step=CLEAR_NEXT,
)
def test_the_alert_on_replication_has_cleared(
    cleared_replication: Observation[Cleared], limits: BzzzLimits
) -> None:
    """The alert on degraded replication has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_replication.value, limits))


@pytest.mark.check(
    id="B-ALR-1e",
    subsystem="monitoring",
    severity="P1",
    profiles="incident",
    alert=MEMORY,
    runbook=VALIDATION,
    next_step=CLEAR_NEXT,
)
def test_the_alert_on_memory_has_cleared(cleared_memory: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on high memory has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_memory.value, limits))

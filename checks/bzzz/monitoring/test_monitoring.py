"""Monitoring: health scores, alerts, rules, notifications, cleared incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.alerting import criteria as alerting
from checks.bzzz.monitoring import criteria as monitoring
from opsverify import verify
from systems.bzzz.incidents.alerts import ADMIN, HEALTH, INCIDENTS, MEMORY, PEERS, REPLICATION

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.alerting.models import Alerts, Cleared, Failures, TestAlert
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.models import Errors, HealthChecks, HealthScores, Watching

QUERIES, VALIDATION = '"Prometheus Queries for Health"', '"Alert Validation"'
STATUS, METRICS = '"Check Alert Status"', '"Query Metrics"'
CLEAR_NEXT = "follow the incident's section again; B-MON-3 shows what fires and what is muted"


@pytest.mark.check(
    id="B-MON-1",
    severity="P0",
    profiles="smoke canary incident",
    alert=HEALTH,
    runbook='"System Health Critical (Alert: BZZZSystemHealthCritical)"',
    next_step="the worst component above names the cause: memory (restart), disk (clean up), network (B-P2P-1), database (B-DB-1)",
)
def test_no_agent_is_critical(health_scores: Observation[HealthScores], limits: BzzzLimits) -> None:
    """Each agent's health score is above the runbook's critical mark."""
    verify(monitoring.not_critical(health_scores.value, limits))


@pytest.mark.check(
    id="B-MON-1b",
    severity="P1",
    profiles="smoke canary incident",
    alert=HEALTH,
    runbook=QUERIES,
    next_step="look at the worst component above, and at its agent's own check of it (B-API-2)",
)
def test_no_agent_is_degraded(health_scores: Observation[HealthScores], limits: BzzzLimits) -> None:
    """Each agent that is not critical has a good health score."""
    verify(monitoring.not_degraded(health_scores.value, limits))


@pytest.mark.check(
    id="B-MON-2",
    severity="P1",
    profiles="canary incident",
    runbook=QUERIES,
    next_step="B-API-2 shows which check fails, and on which agent; the runbook's own expression does not parse, and is not the one judged here",
)
def test_health_checks_pass(health_checks: Observation[HealthChecks], limits: BzzzLimits) -> None:
    """Enough of the agents' own health checks pass."""
    verify(monitoring.health_checks_pass(health_checks.value, limits))


@pytest.mark.check(
    id="B-MON-3",
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
    severity="P2",
    profiles="smoke canary",
    runbook=STATUS,
    next_step="add `or absent(METRIC)` to each, as in docs/bzzz/bzzz.rules.yml",
)
def test_rules_hear_silence(watching: Observation[Watching]) -> None:
    """Each rule of an incident, of capacity and of memory also fires when its metric has vanished."""
    verify(alerting.rules_hear_silence(watching.value))


@pytest.mark.check(
    id="B-MON-4",
    severity="P2",
    profiles="canary incident",
    runbook=METRICS,
    next_step="read the log lines of the component with the most errors (B-LOG-1)",
)
def test_errors_are_few(errors: Observation[Errors], limits: BzzzLimits) -> None:
    """The agents log few errors."""
    verify(monitoring.errors_are_few(errors.value, limits))


@pytest.mark.check(
    id="B-MON-5",
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
    severity="P1",
    profiles="canary",
    runbook=STATUS,
    next_step="check how an alert with the labels of [bzzz.alertmanager] test_labels is routed (amtool config routes test), and whether its receiver accepts it (B-MON-5)",
)
def test_a_test_alert_is_heard(test_alert: Observation[TestAlert], limits: BzzzLimits) -> None:
    """An alert that is posted to Alertmanager reaches its receiver."""
    verify(alerting.heard(test_alert.value, limits))


@pytest.mark.check(
    id="B-ALR-1", severity="P1", profiles="incident", alert=HEALTH, runbook=VALIDATION, next_step=CLEAR_NEXT
)
def test_the_alert_on_health_has_cleared(cleared_health: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on system health has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_health.value, limits))


@pytest.mark.check(
    id="B-ALR-1b", severity="P1", profiles="incident", alert=PEERS, runbook=VALIDATION, next_step=CLEAR_NEXT
)
def test_the_alert_on_peers_has_cleared(cleared_peers: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on too few peers has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_peers.value, limits))


@pytest.mark.check(
    id="B-ALR-1c", severity="P1", profiles="incident", alert=ADMIN, runbook=VALIDATION, next_step=CLEAR_NEXT
)
def test_the_alert_on_the_admin_has_cleared(cleared_admin: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on a missing admin has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_admin.value, limits))


@pytest.mark.check(
    id="B-ALR-1d",
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
    id="B-ALR-1e", severity="P1", profiles="incident", alert=MEMORY, runbook=VALIDATION, next_step=CLEAR_NEXT
)
def test_the_alert_on_memory_has_cleared(cleared_memory: Observation[Cleared], limits: BzzzLimits) -> None:
    """The alert on high memory has fired, has cleared, and stays clear."""
    verify(alerting.alerts_cleared(cleared_memory.value, limits))

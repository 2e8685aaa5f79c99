"""Checks of health scores, health checks and errors, as Prometheus has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.monitoring import criteria as monitoring
from opsverify import verify
from systems.bzzz.incidents.alerts import HEALTH

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.models import Errors, HealthChecks, HealthScores

QUERIES, METRICS = '"Prometheus Queries for Health"', '"Query Metrics"'


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
    id="B-MON-4",
    severity="P2",
    profiles="canary incident",
    runbook=METRICS,
    next_step="read the log lines of the component with the most errors (B-LOG-1)",
)
def test_errors_are_few(errors: Observation[Errors], limits: BzzzLimits) -> None:
    """The agents log few errors."""
    verify(monitoring.errors_are_few(errors.value, limits))

"""Nissa, the observability service: liveness, metrics, alerts, and the ingest that /healthz does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.nissa import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import Ingest, NissaHealth, NissaMetrics, NissaSummary

NISSA = '4 "Nissa"'


@pytest.mark.check(
    id="E-NIS-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=NISSA,
    next_step="is esper-nissa-service running? It exits after 15 s when Redis was down at its start, and when port 9100 is taken",
)
def test_healthz_answers(nissa_health: Observation[NissaHealth]) -> None:
    """Nissa's liveness page answers 200."""
    verify(criteria.healthz_ok(nissa_health.value))


@pytest.mark.check(
    id="E-NIS-2",
    severity="P0",
    profiles="smoke canary incident",
    runbook=NISSA,
    next_step="does another program answer on Nissa's port (9100 is also node-exporter's port)?",
)
def test_metrics_carry_the_esper_series(nissa_metrics: Observation[NissaMetrics]) -> None:
    """The metrics page is a valid exposition that carries the esper series."""
    verify(criteria.metrics_exposed(nissa_metrics.value))


@pytest.mark.check(
    id="E-NIS-3",
    severity="P1",
    profiles="smoke canary incident",
    runbook=NISSA,
    next_step="act on the alert's subsystem; nobody was paged, and a cleared alert proves nothing: unrelated packets clear it",
)
def test_no_core_alert_and_no_slo_breach(
    nissa_summary: Observation[NissaSummary], limits: EsperLimits
) -> None:
    """No core alert is active, and SLO burn rates are below the breach threshold."""
    verify(
        criteria.alerts_quiet(nissa_summary.value, limits),
        criteria.slo_below_breach(nissa_summary.value, limits),
    )


@pytest.mark.check(
    id="E-NIS-4",
    severity="P0",
    profiles="canary incident",
    runbook=NISSA,
    next_step="Nissa does not ingest although /healthz is ok: look at its log, its connection to Redis, and its groups (E-OON-1, E-OON-5)",
)
def test_nissa_counts_what_arrives(ingest: Observation[Ingest], limits: EsperLimits) -> None:
    """Nissa's counters rise while telemetry arrives."""
    verify(criteria.ingests(ingest.value, limits))

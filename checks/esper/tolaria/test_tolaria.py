"""Tolaria, the training loop: loss, epoch latency, health, and Nissa's latency alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.tolaria import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import AlertAgreement, TolariaHealth, TolariaRun

TOLARIA = '4 "Tolaria"'


@pytest.mark.check(
    id="E-TOL-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook=TOLARIA,
    next_step="absent or stale: is the training process alive, and can it reach Redis (its console)? not finite: stop the run and look at data and learning rate",
)
def test_training_loss_is_finite_and_fresh(tolaria_run: Observation[TolariaRun], limits: EsperLimits) -> None:
    """Tolaria publishes a loss that is finite and fresh."""
    verify(criteria.loss_is_finite(tolaria_run.value, limits))


@pytest.mark.check(
    id="E-TOL-2",
    severity="P1",
    profiles="smoke canary incident",
    alert="training_latency_high",
    runbook=TOLARIA,
    next_step="stale: see E-TOL-1; slow: inspect GPU utilisation and what else runs on the host; conservative mode does not pause Tolaria, stop the run to pause it",
)
def test_epochs_keep_their_pace(tolaria_run: Observation[TolariaRun], limits: EsperLimits) -> None:
    """Epochs do not exceed their latency limit several times in a row."""
    verify(criteria.pace_is_kept(tolaria_run.value, limits))


@pytest.mark.check(
    id="E-TOL-2b",
    severity="P2",
    profiles="smoke canary incident",
    alert="training_latency_high",
    runbook=TOLARIA,
    next_step="do not rely on the alert: any packet without a slow latency clears it; E-TOL-2 judges the latency itself",
)
def test_the_latency_alert_agrees_with_the_epochs(
    latency_alert: Observation[AlertAgreement], limits: EsperLimits
) -> None:
    """Nissa's latency alert is active exactly while the epochs are slow."""
    verify(criteria.alert_agrees(latency_alert.value, limits))


@pytest.mark.check(
    id="E-TOL-3",
    severity="P2",
    profiles="smoke canary incident",
    runbook=TOLARIA,
    next_step="zero_samples: the data loader delivers nothing; seeds missing: another version of the program publishes",
)
def test_tolaria_feels_well(tolaria_health: Observation[TolariaHealth], limits: EsperLimits) -> None:
    """Tolaria reports its active seeds, and its health is neither unhealthy nor critical."""
    verify(criteria.feels_well(tolaria_health.value, limits))

"""Simic, the policy's trainer: training, validation, policy updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.simic import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import PolicyStream, PolicyValidation, Training

SIMIC = '4 "Simic"'


@pytest.mark.check(
    id="E-SIM-1",
    severity="P2",
    profiles="smoke canary",
    runbook=SIMIC,
    next_step="not finite: review the field reports that Simic trains on; stale or absent: see E-SIM-2 and the program's console",
)
def test_simic_trains_soundly(simic_training: Observation[Training], limits: EsperLimits) -> None:
    """Simic publishes a reward and a loss that are finite."""
    verify(criteria.trains_soundly(simic_training.value, limits))


@pytest.mark.check(
    id="E-SIM-2",
    severity="P1",
    profiles="smoke canary incident",
    runbook=SIMIC,
    next_step="review the field reports for data quality (E-TAM-1), then train again with adjusted thresholds; never published: see the program's console",
)
def test_the_policy_passed_its_validation(
    policy_validation: Observation[PolicyValidation], limits: EsperLimits
) -> None:
    """Simic's policy passed its validation, and the outcome was published."""
    verify(criteria.validation_passed(policy_validation.value, limits))


@pytest.mark.check(
    id="E-SIM-3",
    severity="P2",
    profiles="canary incident",
    runbook=SIMIC,
    next_step="see E-SIM-2: a failed validation blocks the update; otherwise look for another writer on the policy stream",
)
def test_policy_updates_arrive(policy_updates: Observation[PolicyStream], limits: EsperLimits) -> None:
    """Policy updates arrive on the policy stream."""
    verify(criteria.policies_arrive(policy_updates.value, limits))

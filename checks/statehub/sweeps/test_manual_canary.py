"""The manual canary: one real sweep through the bridge, armed by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.sweeps.criteria import manual_canary as canary_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sweeps.models import ManualCanary


@pytest.mark.check(
    id="S-CAN-1",
    severity="P1",
    profiles="smoke incident",
    subsystem="progress",
    unreachable="fail",
    runbook='"Manual Canary"',
    next_step="no reply: see S-API-1 and the bridge's 360 s limit; no event, or a different one: see State Hub's log at that time. Do not request a second sweep while this one may still run",
)
def test_a_sweep_asked_for_by_hand_works(
    sweep_canary: Observation[ManualCanary], limits: StateHubLimits
) -> None:
    """A sweep requested through the bridge works within its budget, and its progress event equals the reply."""
    verify(canary_criteria.canary_worked(sweep_canary.value, limits))

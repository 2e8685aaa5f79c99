"""State Hub's API, directly and through the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.api import criteria as api_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.api.models import NewestEvents
    from systems.statehub.section import StateHubLimits


@pytest.mark.check(
    id="S-API-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook='"API Surface"',
    next_step="does the API answer on the workstation? If it does, the ops-bridge tunnel state-hub-railiance01 is down or leads elsewhere",
)
def test_api_and_bridge_show_the_same_newest_event(
    api_newest: Observation[NewestEvents], bridge_newest: Observation[NewestEvents], limits: StateHubLimits
) -> None:
    """State Hub's API answers directly and through the bridge, with the same newest event."""
    verify(api_criteria.same_newest(api_newest, bridge_newest, limits))

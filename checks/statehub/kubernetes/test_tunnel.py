"""The tunnel and bridge between the cluster and State Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.kubernetes import criteria as kubernetes_criteria
from checks.statehub.sources import criteria as sources_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.api.models import NewestEvents
    from systems.statehub.kubernetes.models import Allowance
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.sweeps.models import Sweeps

SECTION = '"Schedule Check"'


@pytest.mark.check(
    id="S-TUN-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=SECTION,
    next_step="ops-bridge: is the tunnel state-hub-railiance01 connected, and to which workstation?",
)
def test_the_bridge_leads_to_this_state_hub(
    bridge_newest: Observation[NewestEvents], progress_events: Observation[Sweeps], limits: StateHubLimits
) -> None:
    """The bridge is connected, and leads to the State Hub that answers directly."""
    verify(sources_criteria.same_state_hub(bridge_newest, progress_events, limits))


@pytest.mark.check(
    id="S-TUN-1b",
    severity="P2",
    profiles="smoke canary incident",
    runbook=SECTION,
    next_step="raise the timeout of the bridge's proxy to 360 s: longer sweeps are cut off, and look like automation errors",
)
def test_long_sweeps_pass_the_bridge(
    bridge_allowance: Observation[Allowance], limits: StateHubLimits
) -> None:
    """A request of up to 360 s passes the bridge."""
    verify(kubernetes_criteria.long_requests_pass(bridge_allowance.value, limits))

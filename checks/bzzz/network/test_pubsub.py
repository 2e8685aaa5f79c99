"""PubSub: its active health check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.network import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import NodeComponents
    from systems.bzzz.limits import BzzzLimits


@pytest.mark.check(
    id="B-PUB-1",
    severity="P1",
    profiles="canary incident",
    unreachable="fail",
    runbook='"Component-Specific Checks"',
    next_step="B-P2P-1 for the peers of the agent that is named, then restart it",
)
def test_pubsub_passes_its_active_check(pubsub: Observation[NodeComponents], limits: BzzzLimits) -> None:
    """PubSub's active health check passes on every agent."""
    verify(criteria.pubsub_works(pubsub.value, pubsub.at, limits))

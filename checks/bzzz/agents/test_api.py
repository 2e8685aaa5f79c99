"""BZZZ's main API: its own health, and its components'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.agents import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.agents.models import Components, Health

SYSTEM = '"System-Level Checks"'


@pytest.mark.check(
    id="B-API-1",
    severity="P0",
    profiles="smoke canary incident",
    alert="BZZZSystemHealthCritical",
    unreachable="fail",
    runbook=SYSTEM,
    next_step="B-API-2 names the component; then check memory, disk, network, database in this order. No answer: check with B-SWM-1 whether the service runs",
)
def test_the_api_is_not_unhealthy(api_health: Observation[Health]) -> None:
    """BZZZ's main API answers and does not report itself unhealthy."""
    verify(criteria.says_healthy(api_health.value, worse=True))


@pytest.mark.check(
    id="B-API-1b",
    severity="P1",
    profiles="smoke canary incident",
    runbook=SYSTEM,
    next_step="B-API-2 names the degraded component",
)
def test_the_api_is_not_degraded(api_health: Observation[Health]) -> None:
    """BZZZ's main API does not report itself degraded."""
    verify(criteria.says_healthy(api_health.value, worse=False))


@pytest.mark.check(
    id="B-API-2",
    severity="P1",
    profiles="smoke canary incident",
    alert="BZZZSystemHealthCritical",
    runbook=SYSTEM,
    next_step="see the check of the component that is named: election-health B-ELE-1, p2p-health B-P2P-1, dht-health B-DHT-1, pubsub-health B-PUB-1, slurp-health B-SLP-1",
)
def test_every_component_is_healthy(api_components: Observation[Components]) -> None:
    """Every component that the main API lists is healthy."""
    verify(criteria.every_component_healthy(api_components.value))

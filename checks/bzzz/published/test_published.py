"""Published addresses: TLS and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.published import criteria as published_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.published.models import Endpoint

ENDPOINTS = '"Critical Service Endpoints"'
RENEW = "renew the certificate at the proxy in front of it, and find out why its renewal did not run"


@pytest.mark.check(
    id="B-API-3",
    subsystem="api",
    severity="P2",
    profiles="smoke canary",
    unreachable="fail",
    runbook=ENDPOINTS,
    next_step=f"{RENEW}; without Grafana the incident's first step, its dashboard, is missing",
)
def test_grafana_is_published_over_tls(grafana_published: Observation[Endpoint], limits: BzzzLimits) -> None:
    """Grafana answers over TLS with a certificate that is not about to expire."""
    verify(published_criteria.published(grafana_published.value, limits))


@pytest.mark.check(
    id="B-API-3b",
    subsystem="api",
    severity="P2",
    profiles="smoke canary",
    unreachable="fail",
    runbook=ENDPOINTS,
    next_step=RENEW,
)
def test_prometheus_is_published_over_tls(
    prometheus_published: Observation[Endpoint], limits: BzzzLimits
) -> None:
    """Prometheus answers over TLS with a certificate that is not about to expire."""
    verify(published_criteria.published(prometheus_published.value, limits))


@pytest.mark.check(
    id="B-API-3c",
    subsystem="api",
    severity="P2",
    profiles="smoke canary",
    unreachable="fail",
    runbook=ENDPOINTS,
    next_step=RENEW,
)
def test_alertmanager_is_published_over_tls(
    alertmanager_published: Observation[Endpoint], limits: BzzzLimits
) -> None:
    """Alertmanager answers over TLS with a certificate that is not about to expire."""
    verify(published_criteria.published(alertmanager_published.value, limits))


@pytest.mark.check(
    id="B-API-3d",
    subsystem="api",
    severity="P2",
    profiles="smoke canary",
    unreachable="fail",
    runbook=ENDPOINTS,
    next_step=f"{RENEW}; check with B-API-1 whether the front door runs",
)
def test_the_api_is_published_over_tls(api_published: Observation[Endpoint], limits: BzzzLimits) -> None:
    """The main API answers over TLS with a certificate that is not about to expire."""
    verify(published_criteria.published(api_published.value, limits))

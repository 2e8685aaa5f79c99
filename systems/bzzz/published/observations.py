"""Observations of the published addresses: certificate and HTTP status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.client import BzzzClient
from systems.bzzz.published.client import look_at
from systems.bzzz.published.models import Endpoint

if TYPE_CHECKING:
    from systems.bzzz.published.target import Published

__all__ = ["alertmanager_published", "api_published", "grafana_published", "prometheus_published"]
_HEALTH_SAYS_MORE = frozenset({503})


def _configured(target: Published | None, surface: str) -> Published:
    if target is None:
        raise Unobservable(ErrorKind.PRECONDITION, f"the target configures no {surface}")
    return target


@observation(of="grafana", deadline=seconds(6))
async def grafana_published(bzzz: BzzzClient) -> Endpoint:
    """Grafana's public address: certificate and HTTP status."""
    return await look_at(_configured(bzzz.section.grafana, "grafana"), "/api/health")


@observation(of="prometheus", deadline=seconds(6))
async def prometheus_published(bzzz: BzzzClient) -> Endpoint:
    """Prometheus's public address: certificate and HTTP status."""
    return await look_at(_configured(bzzz.section.prometheus, "prometheus"), "/-/ready")


@observation(of="alertmanager", deadline=seconds(6))
async def alertmanager_published(bzzz: BzzzClient) -> Endpoint:
    """Alertmanager's public address: certificate and HTTP status."""
    return await look_at(_configured(bzzz.section.alertmanager, "alertmanager"), "/-/ready")


@observation(of="api", deadline=seconds(6))
async def api_published(bzzz: BzzzClient) -> Endpoint:
    """The main API's public address: certificate and HTTP status. Its health is B-API-1's."""
    return await look_at(_configured(bzzz.section.api, "api"), "/health", also=_HEALTH_SAYS_MORE)

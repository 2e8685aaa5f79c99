"""Observations of the published addresses: certificate, and whether a page answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.client import BzzzClient
from systems.bzzz.published.client import look_at
from systems.bzzz.published.models import EndpointSeen

if TYPE_CHECKING:
    from systems.bzzz.published.target import Published

__all__ = ["alertmanager_published", "api_published", "grafana_published", "prometheus_published"]
_HEALTH_SAYS_MORE = frozenset({503})


def _configured(target: Published | None, surface: str) -> Published:
    if target is None:
        raise Unobservable(ErrorKind.PRECONDITION, f"the target configures no {surface}")
    return target


@observation(of="grafana", deadline=seconds(6))
async def grafana_published(bzzz: BzzzClient) -> EndpointSeen:
    """Grafana's public address: its certificate, and its answer."""
    return await look_at(_configured(bzzz.section.grafana, "grafana"), "/api/health")


@observation(of="prometheus", deadline=seconds(6))
async def prometheus_published(bzzz: BzzzClient) -> EndpointSeen:
    """The same of Prometheus."""
    return await look_at(_configured(bzzz.section.prometheus, "prometheus"), "/-/ready")


@observation(of="alertmanager", deadline=seconds(6))
async def alertmanager_published(bzzz: BzzzClient) -> EndpointSeen:
    """The same of Alertmanager."""
    return await look_at(_configured(bzzz.section.alertmanager, "alertmanager"), "/-/ready")


@observation(of="api", deadline=seconds(6))
async def api_published(bzzz: BzzzClient) -> EndpointSeen:
    """The same of the main API; what its health says is another check's."""
    return await look_at(_configured(bzzz.section.api, "api"), "/health", also=_HEALTH_SAYS_MORE)

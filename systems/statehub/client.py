"""Client of one State Hub and its activity-core, read-only: API, PostgreSQL, Temporal, Kubernetes, workstation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify.probes.http import Http, open_http
from systems.statehub.activity.client import ActivityClient
from systems.statehub.api.client import StateHubApiClient
from systems.statehub.kubernetes.client import KubernetesClient
from systems.statehub.schedule.client import TemporalClient
from systems.statehub.workstation.client import WorkstationClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from systems.statehub.section import StateHubSection

__all__ = ["StateHubClient", "open_statehub"]


@dataclass(frozen=True, slots=True)
class StateHubClient:
    """Read access to State Hub's events on both paths, and to what schedules its sweep."""

    section: StateHubSection
    api: StateHubApiClient
    bridge: StateHubApiClient
    activity: ActivityClient
    temporal: TemporalClient
    kubernetes: KubernetesClient
    workstation: WorkstationClient
    http: Http

    @classmethod
    def of(cls, section: StateHubSection, http: Http) -> StateHubClient:
        """A client of this section over these HTTP connections."""
        kind = section.schedule.event_type
        return cls(
            section,
            StateHubApiClient(http, section.api, surface="api", event_type=kind),
            StateHubApiClient(http, section.bridge, surface="bridge", event_type=kind),
            ActivityClient(section),
            TemporalClient(section),
            KubernetesClient(section),
            WorkstationClient(section),
            http,
        )

    def with_section(self, section: StateHubSection) -> StateHubClient:
        """The same client with another section."""
        return self.of(section, self.http)


@asynccontextmanager
async def open_statehub(section: StateHubSection) -> AsyncIterator[StateHubClient]:
    """Open the client of a section; nothing is sent before it is asked for."""
    async with open_http() as http:
        yield StateHubClient.of(section, http)

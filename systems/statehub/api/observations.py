"""Observations of State Hub's API, direct and through the bridge."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.statehub.api.models import NewestEvents
from systems.statehub.client import StateHubClient

__all__ = ["api_newest", "bridge_newest"]

_NEWEST = 5  # as the runbook asks


@observation(of="api", deadline=seconds(5))
async def api_newest(statehub: StateHubClient) -> NewestEvents:
    """The newest sweep events, from the API directly."""
    events, _, _ = await statehub.api.events(_NEWEST)
    return NewestEvents(events=tuple((e.id, e.at) for e in events), count=len(events))


@observation(of="bridge", deadline=seconds(5))
async def bridge_newest(statehub: StateHubClient) -> NewestEvents:
    """The newest sweep events, through the bridge."""
    events, _, _ = await statehub.bridge.events(_NEWEST)
    return NewestEvents(events=tuple((e.id, e.at) for e in events), count=len(events))

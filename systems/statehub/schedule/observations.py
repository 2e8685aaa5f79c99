"""Observations of Temporal: its frontend with the namespace, and the sweep's schedule."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.statehub.client import StateHubClient
from systems.statehub.schedule.models import Frontend, Schedule

__all__ = ["temporal_frontend", "temporal_schedule"]


@observation(of="temporal", deadline=seconds(8))
async def temporal_frontend(statehub: StateHubClient) -> Frontend:
    """Temporal's version, and the namespace of the schedule."""
    return await statehub.temporal.frontend()


@observation(of="temporal", deadline=seconds(8))
async def temporal_schedule(statehub: StateHubClient) -> Schedule:
    """The sweep's schedule in Temporal."""
    return await statehub.temporal.schedule()

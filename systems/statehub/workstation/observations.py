"""Observations of the workstation's timer."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.statehub.client import StateHubClient
from systems.statehub.workstation.models import Timer

__all__ = ["local_timer"]


@observation(of="workstation", deadline=seconds(20))
async def local_timer(statehub: StateHubClient) -> Timer:
    """The retired timer on the workstation."""
    return await statehub.workstation.timer()

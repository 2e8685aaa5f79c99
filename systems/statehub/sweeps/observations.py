"""Observations of sweeps: progress events, and the manual canary."""

from __future__ import annotations

from datetime import timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.statehub.client import StateHubClient
from systems.statehub.section import CANARY_AROUND
from systems.statehub.sweeps.manual_canary import PostSweep, observe_canary
from systems.statehub.sweeps.models import ManualCanary, Sweeps
from systems.statehub.sweeps.window import sweeps

__all__ = ["progress_events", "sweep_canary"]


@observation(of="api", deadline=seconds(8))
async def progress_events(statehub: StateHubClient) -> Sweeps:
    """Sweep events of the last 24 hours, as many as the limit allows."""
    return await sweeps(statehub)


@observation(of=("bridge", "api"), deadline=CANARY_AROUND, window="canary", active="post_sweep")
async def sweep_canary(statehub: StateHubClient, post_sweep: PostSweep, window: timedelta) -> ManualCanary:
    """One sweep requested through the bridge, followed to its progress event."""
    del window  # the budget; the operator reads it from the same limit
    return await observe_canary(statehub, post_sweep)

"""Observations of the main API, of UCXI's address checks, and of the task flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.bzzz.agents.models import Boundary, Components, Health, Repeated, TaskFlow, TasksRan
from systems.bzzz.agents.task_flow import RequestTask, follow_task, repeat_task
from systems.bzzz.agents.ucxl import MALFORMED
from systems.bzzz.client import BzzzClient

__all__ = ["api_components", "api_health", "repeated_event", "task_flow", "ucxi_boundary"]

_UNKNOWN = "ucxl://opsverify:probe@opsverify:nothing/*^/nothing"


@observation(of="api", deadline=seconds(5))
async def api_health(bzzz: BzzzClient) -> Health:
    """The main API's reply of /health."""
    return await bzzz.api.health()


@observation(of="api", deadline=seconds(5))
async def api_components(bzzz: BzzzClient) -> Components:
    """Every component's check, by the main API's /health/checks."""
    components = await bzzz.api.checks()
    if not components.components:
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY,
            f"no component with a known status: {'; '.join(components.strange)}"[:400],
        )
    return components


@observation(of="api", deadline=seconds(8))
async def ucxi_boundary(bzzz: BzzzClient) -> Boundary:
    """UCXI's answers to addresses that are malformed, and to one that is well formed and names nothing."""
    asking = [bzzz.api.resolve(address, meant) for address, meant in MALFORMED.items()]
    (known, _), *answers = await asyncio.gather(bzzz.api.resolve(_UNKNOWN, "well formed"), *asking)
    return Boundary(malformed=tuple(refusal for refusal, _ in answers), well_formed=known)


Command = Callable[[], Awaitable[TasksRan]]


@observation(of="api", deadline=seconds(8), window="task_flow", active="request_task")
async def task_flow(bzzz: BzzzClient, request_task: RequestTask, window: timedelta) -> TaskFlow:
    """A task request followed to the address that it made."""
    del window  # the time budget, which follow_task reads from the limits
    return await follow_task(bzzz, request_task)


@observation(of="api", deadline=seconds(8), window="task_flow", active="request_task")
async def repeated_event(bzzz: BzzzClient, request_task: RequestTask, window: timedelta) -> Repeated:
    """The same event, sent twice."""
    del window
    return await repeat_task(bzzz, request_task)

"""What is observed of a lamp: one observation of each sort that the engine knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from lamp_client import LampClient, Reading, Serial

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation

__all__ = ["OBSERVATIONS"]


@observation(of="bulb", deadline=seconds(2), identity=True)
async def which_bulb(lamp: LampClient) -> Serial:
    """The bulb's serial number, seen first and again last."""
    return Serial(identity=(await lamp.read("bulb")).get("identity", "serial 1"))


@observation(of="bulb", deadline=seconds(20))
async def brightness(lamp: LampClient) -> Reading:
    """How bright the bulb is."""
    return await lamp.reading("bulb")


@observation(of="bulb", deadline=seconds(2), window="window")
async def flicker(lamp: LampClient, window: timedelta) -> tuple[Reading, Reading]:
    """The brightness, twice."""
    first = await lamp.reading("bulb")
    await asyncio.sleep(window.total_seconds())
    return first, await lamp.reading("bulb")


@observation(of="switch", deadline=seconds(2))
async def lever(lamp: LampClient) -> Reading:
    """Where the lever is."""
    return await lamp.reading("switch")


@observation(of="switch", deadline=seconds(2), active="press")
async def pressed(lamp: LampClient, press: Callable[[], Awaitable[str]]) -> Reading:
    """What the switch does when it is pressed."""
    return Reading(value=await press())


OBSERVATIONS = (which_bulb, brightness, flicker, lever, pressed)

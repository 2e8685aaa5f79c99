"""Goal (a): the gatherer over n endpoints against a bare asyncio.gather of the same requests on one aiohttp session."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp

from bench.measured import Row, note, spread
from bench.toy import Plan, site_of, toy_system
from opsverify.run.gather import Gatherer

if TYPE_CHECKING:
    from bench.endpoints import Endpoints
    from opsverify.model.observation import Observation, ObservationSpec

__all__ = ["SIZES", "against_bare"]

SIZES = (100, 1000, 5000)
GOAL = 1.5


async def _gathered(plan: Plan) -> float:
    system = toy_system(plan)
    errors: list[str] = []

    def done(_: ObservationSpec, observation: Observation[Any]) -> None:
        if observation.unobservable:
            errors.append(str(observation.unobservable))

    async with system.connect(None) as client:
        gatherer = Gatherer({"toy": site_of(system, client)}, done)
        began = time.perf_counter()
        observations = await gatherer.gather(system.observations)
        took = time.perf_counter() - began
    assert len(observations) == plan.count
    assert not errors, f"{len(errors)} of {plan.count} pages were not observed; the first: {errors[0]}"
    return took


async def _bare(plan: Plan) -> float:
    async def page(session: aiohttp.ClientSession, url: str) -> str:
        async with session.get(url) as reply:
            assert reply.status == 200  # noqa: PLR2004 - what the server answers
            return str((await reply.json())["status"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        pages = await asyncio.gather(*(page(session, plan.address(n)) for n in range(plan.count)))
        took = time.perf_counter() - began
    assert pages == ["ok"] * plan.count
    return took


def against_bare(where: Endpoints, sizes: tuple[int, ...], repeats: int) -> list[Row]:
    """One row per size. The two take turns, so that other load meets both; the first turn is not counted."""
    rows = []
    for size in sizes:
        plan = Plan(count=size, url=where.answering, deadline=60)
        ours, bare = [], []
        for turn in range(repeats + 1):
            note(f"gathering {size} endpoints, turn {turn} of {repeats}")
            pair = asyncio.run(_gathered(plan)), asyncio.run(_bare(plan))
            if turn:
                ours.append(pair[0])
                bare.append(pair[1])
        ratio = median(a / b for a, b in zip(ours, bare, strict=True))
        comparison = f"gatherer {spread(ours)} ÷ bare gather on aiohttp {spread(bare)}, turn by turn"
        rows.append(Row(f"gathering {size:,} endpoints of 50 ms", ratio, "times", GOAL, comparison))
    return rows

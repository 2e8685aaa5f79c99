"""Observations of the agents' health in Prometheus: scores, health checks, errors."""

from __future__ import annotations

import asyncio

from opsverify.model.deadline import seconds
from opsverify.model.observation import Unobservable, observation
from systems.bzzz.agents.instances import (
    missing_agents,
    missing_of,
    running_agents,
    wanted_agents,
    without_odd,
)
from systems.bzzz.client import BzzzClient
from systems.bzzz.monitoring.models import Errors, HealthChecks, HealthScores, Samples

__all__ = ["errors", "health_checks", "health_scores"]

_FASTEST = 1e9
"""Events per second above which a rate is taken for a broken counter."""


@observation(of="prometheus", deadline=seconds(8))
async def health_scores(bzzz: BzzzClient) -> HealthScores:
    """The health score of each agent, and of each of its components.

    Raises:
        Unobservable: none is between 0 and 1 (unexpected-reply).
    """
    scores, components, running = await asyncio.gather(
        bzzz.prometheus.current("bzzz_system_health_score"), _components(bzzz), running_agents(bzzz)
    )
    (system, odd), wanted = without_odd(scores, most=1.0), wanted_agents(bzzz, running)
    nothing = isinstance(components, Unobservable)
    return HealthScores(
        system=system,
        components=Samples(query="", at=system.at, series=()) if nothing else components,
        wanted=wanted,
        missing=(*missing_agents(scores, running, wanted), *odd),
        componentless=str(components) if nothing else "",
    )


async def _components(bzzz: BzzzClient) -> Samples | Unobservable:
    """The components' scores; they explain a low score, which stands without them."""
    try:
        return await bzzz.prometheus.current("bzzz_component_health_score")
    except Unobservable as error:
        return error


@observation(of="prometheus", deadline=seconds(8))
async def health_checks(bzzz: BzzzClient) -> HealthChecks:
    """Health checks passed and failed per second.

    Raises:
        Unobservable: every rate of passed, or of failed, checks is impossible (unexpected-reply).
    """
    window_s = bzzz.section.limits.sli_window.value
    rate = "sum by (instance) (rate(bzzz_health_checks_{}_total[{:g}s]))".format
    passed, failed, running = await asyncio.gather(
        bzzz.prometheus.current(rate("passed", window_s)),
        bzzz.prometheus.current(rate("failed", window_s)),
        running_agents(bzzz),
    )
    agents, stale = passed.instances | failed.instances, (*passed.stale, *failed.stale)
    wanted = wanted_agents(bzzz, running)
    lacking = missing_of(agents, "health checks", running, wanted, stale)
    (good, odd), (bad, odder) = (without_odd(each, most=_FASTEST) for each in (passed, failed))
    return HealthChecks(
        passed=good, failed=bad, window_s=window_s, wanted=wanted, missing=(*lacking, *odd, *odder)
    )


@observation(of="prometheus", deadline=seconds(8))
async def errors(bzzz: BzzzClient) -> Errors:
    """Errors per second, by agent and component.

    Raises:
        Unobservable: every rate is impossible (unexpected-reply).
    """
    window_s = bzzz.section.limits.sli_window.value
    query = f"sum by (instance, component) (rate(bzzz_errors_total[{window_s:g}s]))"
    counted, scraped, running = await asyncio.gather(
        bzzz.prometheus.current(query), bzzz.prometheus.scraped(), running_agents(bzzz)
    )
    (rates, odd), wanted = without_odd(counted, most=_FASTEST), wanted_agents(bzzz, running)
    lacking = missing_of(scraped, "a scrape", running, wanted, counted.stale)
    return Errors(
        rates=rates,
        window_s=window_s,
        scraped=tuple(sorted(scraped)),
        wanted=wanted,
        missing=(*lacking, *odd),
    )

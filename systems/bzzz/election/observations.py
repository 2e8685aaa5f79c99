"""Observations of the election and of SLURP: each node's own agent is asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.bzzz.agents.instances import evidence_line, roles_of, running_agents, series_line
from systems.bzzz.agents.models import NotAnswering, Running
from systems.bzzz.client import BzzzClient
from systems.bzzz.election.models import Election, ElectionWindow, NodeElection, NodeSlurp, Roles, Slurp

__all__ = ["election", "election_window", "roles", "slurp"]

_HOUR = "1h"


async def _views(
    bzzz: BzzzClient, running: Running
) -> tuple[tuple[NodeElection, ...], tuple[NotAnswering, ...]]:
    views, silent = await bzzz.nodes.ask(lambda agent, node: agent.election(node), running)
    return tuple(views.values()), silent


def _agreed(views: tuple[NodeElection, ...], silent: tuple[NotAnswering, ...]) -> bool:
    """Whether every node answers, and all name the same admin and term."""
    admins = {(view.admin, view.term) for view in views}
    return not silent and len(admins) == 1 and views[0].admin is not None


async def _roles_line(bzzz: BzzzClient) -> str:
    roles = await roles_of(bzzz)
    return "; ".join(f"{node} {', '.join(given)}" for node, given in roles.roles.items())


@observation(of="nodes", deadline=seconds(8), window="confirm")
async def election(bzzz: BzzzClient, window: timedelta) -> Election:
    """Every node's own view of the election; sampled once more after a while where they do not agree."""
    running = await running_agents(bzzz)
    views, silent = await _views(bzzz, running)
    earlier: tuple[str, ...] = ()
    if not _agreed(views, silent):
        earlier = tuple(map(str, (*views, *silent)))
        await asyncio.sleep(window.total_seconds())
        running = await running_agents(bzzz)
        views, silent = await _views(bzzz, running)
    elsewhere, roles = await asyncio.gather(
        evidence_line("Prometheus, bzzz_election_state", series_line, bzzz, "bzzz_election_state"),
        evidence_line("roles by the configuration", _roles_line, bzzz),
    )
    return Election(
        views=views, silent=silent, running=running, earlier=earlier, elsewhere=elsewhere, roles=roles
    )


@observation(of="nodes", deadline=seconds(8), window="peers_window")
async def election_window(bzzz: BzzzClient, window: timedelta) -> ElectionWindow:
    """Every node's own view of the election at the beginning and at the end of a window."""
    running = await running_agents(bzzz)
    first, _ = await _views(bzzz, running)
    await asyncio.sleep(window.total_seconds())
    last, silent = await _views(bzzz, running)
    query = f"changes(bzzz_election_state[{_HOUR}])"
    changes = await evidence_line(f"changes of the admin in {_HOUR}, by Prometheus", series_line, bzzz, query)
    return ElectionWindow(first=first, last=last, silent=silent, running=running, changes=changes)


@observation(of="services", deadline=seconds(8))
async def roles(bzzz: BzzzClient) -> Roles:
    """The roles of each node, by the configuration that the agents use."""
    return await roles_of(bzzz)


@observation(of="nodes", deadline=seconds(8), window="peers_window")
async def slurp(bzzz: BzzzClient, window: timedelta) -> Slurp:
    """Every node's view of SLURP at the beginning and at the end of a window, and the admin that each knows."""
    running = await running_agents(bzzz)

    async def look() -> tuple[dict[str, NodeSlurp], tuple[NotAnswering, ...]]:
        return await bzzz.nodes.ask(lambda agent, node: agent.slurp(node), running)

    first, _ = await look()
    await asyncio.sleep(window.total_seconds())
    (last, silent), (views, _) = await asyncio.gather(look(), _views(bzzz, running))
    return Slurp(
        first=tuple(first.values()),
        last=tuple(last.values()),
        admins={view.node: view.admin for view in views},
        silent=silent,
        running=running,
    )

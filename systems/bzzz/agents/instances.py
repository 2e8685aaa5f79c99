"""Which agents run, and what else of the system bears on a peer's finding: evidence that never decides a verdict."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import aiohttp

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.errors import classify
from systems.bzzz.agents.models import Running
from systems.bzzz.election.models import Roles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from systems.bzzz.client import BzzzClient
    from systems.bzzz.monitoring.models import Samples

__all__ = [
    "missing_agents",
    "missing_of",
    "read_roles",
    "roles_of",
    "running_agents",
    "seen_by_node",
    "seen_by_prometheus",
    "told",
    "wanted_agents",
    "without_odd",
]

_MOST_CONFIG = 128 * 1024


async def running_agents(bzzz: BzzzClient) -> Running:
    """The nodes on which an agent runs, by the service manager; not known where there is none that answers."""
    target = bzzz.section.services
    if target is None:
        return Running(nodes=None, why="the target configures no services")
    try:
        services = await bzzz.services.services()
    except (Unobservable, OSError, aiohttp.ClientError) as error:
        return Running(nodes=None, why=str(classify(error)))
    agent = next((s for s in services if s.name == target.agent), None)
    if agent is None:
        return Running(nodes=None, why=f"the service manager knows no service {target.agent}")
    return Running(nodes=tuple(sorted(task.node for task in agent.running)))


def wanted_agents(bzzz: BzzzClient, running: Running) -> int:
    """How many agents there should be a series of: as many as run, or as the target has nodes where that is not known."""
    return len(bzzz.section.nodes) if running.nodes is None else len(running.nodes)


def missing_agents(samples: Samples, running: Running, wanted: int) -> tuple[str, ...]:
    """In words, that Prometheus has no current series of each of the `wanted` agents; empty where it has."""
    return missing_of(samples.instances, samples.query, running, wanted, samples.stale)


def missing_of(
    agents: Collection[str], what: str, running: Running, wanted: int, stale: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """In words, that Prometheus has `what` of these agents, and there should be `wanted`; empty where there are."""
    if len(agents) == wanted:
        return ()
    current = f"Prometheus has {what} of {len(agents)} agents now"
    why = "; ".join(stale) or "see B-MON-3 for what is scraped"
    return (bounded_text(f"{current}, {running}, {wanted} expected: {why}", 600),)


def without_odd(
    samples: Samples, least: float = 0.0, most: float = sys.float_info.max
) -> tuple[Samples, tuple[str, ...]]:
    """The series whose value is what its metric can be, and in words the others.

    Raises:
        Unobservable: none is (unexpected-reply).
    """
    even = tuple(s for s in samples.series if least <= s.value <= most)
    if len(even) == len(samples.series):
        return samples, ()
    odd = ", ".join(f"{s.who} {s.value:g}" for s in samples.series if s not in even)
    reason = bounded_text(f"{samples.query} is to be from {least:g} to {most:g}: {odd}", 600)
    if not even:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, reason)
    return samples.model_copy(update={"series": even}), (reason,)


async def roles_of(bzzz: BzzzClient) -> Roles:
    """Each node's roles, as the configuration has them.

    Raises:
        Unobservable: the configuration is not there, or says no roles.
    """
    target = bzzz.section.services
    if target is None:
        raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
    configs, services, running = await asyncio.gather(
        bzzz.services.configs(), bzzz.services.services(), running_agents(bzzz)
    )
    # A rotated configuration has another name; the agents find it under the same one.
    agent = next((s for s in services if s.name == target.agent), None)
    used = {*(agent.configs.values() if agent else ())}
    name = target.config if target.config in used or not used else min(used)
    if name not in configs:
        raise Unobservable(
            ErrorKind.EMPTY,
            f"no config {name}; there are {bounded_text(', '.join(sorted(configs)) or 'none')}",
        )
    return Roles(config=name, roles=read_roles(configs[name], name), running=running)


def read_roles(payload: bytes, name: str) -> dict[str, tuple[str, ...]]:
    """`agent.role` of the configuration: node → its role or roles. Raises Unobservable where it says none."""
    if len(payload) > _MOST_CONFIG:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{name} has {len(payload)} bytes")
    document = _parsed(payload, name)
    agent = document.get("agent") if isinstance(document, dict) else None
    roles = agent.get("role") if isinstance(agent, dict) else None
    if not isinstance(roles, dict) or not roles:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{name} says no agent.role of any node")
    found = {}
    for node, given in roles.items():
        listed = given if isinstance(given, list) else [given]
        if not isinstance(node, str) or not all(isinstance(role, str) for role in listed):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"{name}: agent.role is not a table of nodes and roles"
            )
        found[bounded_text(node, 80)] = tuple(bounded_text(role, 40) for role in listed)
    return found


def _parsed(payload: bytes, name: str) -> Any:
    # Loaded where a configuration is not the subset of YAML that is JSON.
    import yaml  # noqa: PLC0415

    text = payload.decode("utf-8", "replace")
    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        told = bounded_text(f"{name} is no YAML: {type(error).__name__}: {error}")
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None


async def told(what: str, ask: Callable[..., Awaitable[str]], *of: Any) -> str:
    """Evidence in words, as `ask(*of)` gives it; where it cannot be had, why not."""
    try:
        return f"{what}: {await ask(*of)}"
    except (Unobservable, OSError, aiohttp.ClientError) as error:
        return bounded_text(f"{what}: not seen ({classify(error)})", 200)


async def seen_by_prometheus(bzzz: BzzzClient, query: str) -> str:
    """What Prometheus says, each series in short."""
    samples = await bzzz.prometheus.current(query)
    return bounded_text(", ".join(f"{s.who} {s.value:g}" for s in samples.series))


async def seen_by_node(bzzz: BzzzClient, component: str) -> tuple[str, ...]:
    """What each node's own agent says of one component, a line each."""
    if not bzzz.nodes.names:
        return ()

    async def ask(node: str) -> str:
        components = await bzzz.nodes.of(node).checks()
        found = components.named(component)
        return str(found) if found else f"its agent lists no {component}"

    return tuple(await asyncio.gather(*(told(f"{node} says", ask, node) for node in bzzz.nodes.names)))

"""Running agents and their configured roles; and lines of evidence, which never decide a verdict."""

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
    "component_lines",
    "evidence_line",
    "missing_agents",
    "missing_of",
    "read_roles",
    "roles_of",
    "running_agents",
    "series_line",
    "wanted_agents",
    "without_odd",
]

_MOST_CONFIG = 128 * 1024


async def running_agents(bzzz: BzzzClient) -> Running:
    """The nodes on which an agent runs, by the service manager; unknown where it does not answer."""
    target = bzzz.section.services
    if target is None:
        return Running(nodes=None, why="the target configures no services")
    try:
        services = await bzzz.services.services()
    except (Unobservable, OSError, aiohttp.ClientError) as error:
        return Running(nodes=None, why=str(classify(error)))
    agent = next((s for s in services if s.name == target.agent), None)
    if agent is None:
        return Running(nodes=None, why=f"the service manager lists no service {target.agent}")
    return Running(nodes=tuple(sorted(task.node for task in agent.running)))


def wanted_agents(bzzz: BzzzClient, running: Running) -> int:
    """How many agents should have a series: as many as run, or the target's nodes where that is unknown."""
    return len(bzzz.section.nodes) if running.nodes is None else len(running.nodes)


def missing_agents(samples: Samples, running: Running, wanted: int) -> tuple[str, ...]:
    """A message where Prometheus does not have a current series of each of the `wanted` agents; else empty."""
    return missing_of(samples.instances, samples.query, running, wanted, samples.stale)


def missing_of(
    agents: Collection[str], what: str, running: Running, wanted: int, stale: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """A message where Prometheus has `what` of other than `wanted` agents; else empty."""
    if len(agents) == wanted:
        return ()
    current = f"Prometheus has {what} of {len(agents)} agents, {wanted} expected"
    why = "; ".join(stale) or "see Prometheus's page /targets"
    return (bounded_text(f"{current} ({running}): {why}", 600),)


def without_odd(
    samples: Samples, least: float = 0.0, most: float = sys.float_info.max
) -> tuple[Samples, tuple[str, ...]]:
    """The series whose value is in the metric's range, and a message about the others.

    Raises:
        Unobservable: none is in range (unexpected-reply).
    """
    even = tuple(s for s in samples.series if least <= s.value <= most)
    if len(even) == len(samples.series):
        return samples, ()
    odd = ", ".join(f"{s.who} {s.value:g}" for s in samples.series if s not in even)
    bounds = f"at least {least:g}" if most == sys.float_info.max else f"from {least:g} to {most:g}"
    reason = bounded_text(f"{samples.query} is not {bounds}: {odd}", 600)
    if not even:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, reason)
    return samples.model_copy(update={"series": even}), (reason,)


async def roles_of(bzzz: BzzzClient) -> Roles:
    """Each node's roles, as the configuration has them.

    Raises:
        Unobservable: the config does not exist, or sets no roles.
    """
    target = bzzz.section.services
    if target is None:
        raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
    configs, services, running = await asyncio.gather(
        bzzz.services.configs(), bzzz.services.services(), running_agents(bzzz)
    )
    # A rotated config has a new name; inside the agents its file keeps the old one.
    agent = next((s for s in services if s.name == target.agent), None)
    used = {*(agent.configs.values() if agent else ())}
    name = target.config if target.config in used or not used else min(used)
    if name not in configs:
        raise Unobservable(
            ErrorKind.EMPTY,
            f"no config {name}; existing configs: {bounded_text(', '.join(sorted(configs)) or 'none')}",
        )
    return Roles(config=name, roles=read_roles(configs[name], name), running=running)


def read_roles(payload: bytes, name: str) -> dict[str, tuple[str, ...]]:
    """`agent.role` of the configuration: node → its role or roles. Raises Unobservable where it sets none."""
    if len(payload) > _MOST_CONFIG:
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY, f"config {name} has {len(payload)} bytes, more than {_MOST_CONFIG}"
        )
    document = _parsed(payload, name)
    agent = document.get("agent") if isinstance(document, dict) else None
    roles = agent.get("role") if isinstance(agent, dict) else None
    if not isinstance(roles, dict) or not roles:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"config {name} sets no agent.role of any node")
    roles_by_node = {}
    for node, given in roles.items():
        listed = given if isinstance(given, list) else [given]
        if not isinstance(node, str) or not all(isinstance(role, str) for role in listed):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"config {name}: agent.role is not a table of nodes and roles"
            )
        roles_by_node[bounded_text(node, 80)] = tuple(bounded_text(role, 40) for role in listed)
    return roles_by_node


def _parsed(payload: bytes, name: str) -> Any:
    # PyYAML is loaded only for a config that is not JSON.
    import yaml  # noqa: PLC0415

    text = payload.decode("utf-8", "replace")
    try:
        return json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        message = bounded_text(f"config {name} is no valid YAML: {type(error).__name__}: {error}")
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None


async def evidence_line(what: str, ask: Callable[..., Awaitable[str]], *of: Any) -> str:
    """A line of evidence from `ask(*of)`; where that fails, why."""
    try:
        return f"{what}: {await ask(*of)}"
    except (Unobservable, OSError, aiohttp.ClientError) as error:
        return bounded_text(f"{what}: could not be read ({classify(error)})", 200)


async def series_line(bzzz: BzzzClient, query: str) -> str:
    """The series of an instant query, in one line."""
    samples = await bzzz.prometheus.current(query)
    return bounded_text(", ".join(f"{s.who} {s.value:g}" for s in samples.series))


async def component_lines(bzzz: BzzzClient, component: str) -> tuple[str, ...]:
    """One component as each node's own agent reports it, a line each."""
    if not bzzz.nodes.names:
        return ()

    async def ask(node: str) -> str:
        components = await bzzz.nodes.of(node).checks()
        found = components.named(component)
        return str(found) if found else f"its agent lists no {component}"

    return tuple(
        await asyncio.gather(*(evidence_line(f"agent of {node}", ask, node) for node in bzzz.nodes.names))
    )

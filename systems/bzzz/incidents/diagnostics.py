"""The runbook's investigation steps, as lines of evidence; they never decide a verdict."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.text import bounded_text
from systems.bzzz.agents.instances import evidence_line
from systems.bzzz.agents.models import ComponentState

if TYPE_CHECKING:
    from systems.bzzz.client import BzzzClient

__all__ = ["bootstrap_evidence", "component_evidence", "log_evidence", "service_evidence", "use_evidence"]

LOGGED = timedelta(hours=1)
READ, SHOWN = 100, 3
MB = 1048576
_TROUBLE = re.compile(r"\b(ERROR|FATAL|panic)\b")


async def component_evidence(bzzz: BzzzClient) -> tuple[str, ...]:
    """The components that are not healthy, by each node's own agent."""

    async def ask(node: str) -> str:
        components = (await bzzz.nodes.of(node).checks()).components
        ill = [str(one) for one in components if one.state is not ComponentState.HEALTHY]
        return "; ".join(ill) or f"all {len(components)} components healthy"

    return tuple(
        await asyncio.gather(*(evidence_line(f"agent of {node}", ask, node) for node in bzzz.nodes.names))
    )


async def use_evidence(bzzz: BzzzClient) -> str:
    """`docker stats --no-stream`: memory and CPU of each task of the agents, most memory first."""

    async def ask() -> str:
        target = bzzz.section.services
        uses = [u for u in await bzzz.services.uses() if target is None or u.service == target.agent]
        return ", ".join(
            f"{u.node} {u.memory / MB:.0f} MB{f' of {u.memory_limit / MB:.0f}' if u.memory_limit else ''}, "
            f"{u.cpu_percent:.0f} % CPU"
            for u in sorted(uses, key=lambda u: -u.memory)
        )

    return await evidence_line("resources of the agents", ask)


async def service_evidence(bzzz: BzzzClient) -> str:
    """Recent changes: services with an update, or with tasks missing."""

    async def ask() -> str:
        services = [
            f"{s.name} {len(s.running)} of {s.desired} tasks"
            f"{f', update {s.update_state}' if s.update_state else ''}"
            f"{f' ({s.updated:%Y-%m-%d %H:%M:%SZ})' if s.updated else ''}"
            for s in await bzzz.services.services()
            if s.update_state or len(s.running) != s.desired
        ]
        return bounded_text("; ".join(services)) or "all tasks running, no update"

    return await evidence_line("services that changed or lack tasks", ask)


async def log_evidence(bzzz: BzzzClient, service: str = "", word: str = "") -> str:
    """`docker service logs … | grep -E "(ERROR|FATAL|panic)"`, or `grep -i` of a word: the newest of those lines."""
    target = bzzz.section.services
    name = service or (target.agent if target else "the agents")

    async def ask() -> str:
        lines = await bzzz.services.logs(name, since=LOGGED, most=READ)
        chosen = [one for one in lines if (word.lower() in one.lower() if word else _TROUBLE.search(one))]
        return bounded_text(" | ".join(chosen[-SHOWN:]), 900) or f"none among {len(lines)} lines"

    what = f'lines with "{word}"' if word else "ERROR, FATAL and panic"
    return await evidence_line(f"newest {what} of {name}", ask)


async def bootstrap_evidence(bzzz: BzzzClient) -> tuple[str, ...]:
    """`nc -zv` to each bootstrap."""
    bootstraps = await bzzz.nodes.bootstraps(timedelta(seconds=0.2))
    return tuple(f"bootstrap of {one}" for one in bootstraps)

"""Observations of logs: files on the nodes, Loki, and what services write."""

from __future__ import annotations

import asyncio
import re

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from opsverify.model.text import bounded_text
from systems.bzzz.client import BzzzClient
from systems.bzzz.logs.client import FATAL, PATTERN, sampled
from systems.bzzz.logs.models import LogLine, Logs, NodeLogs

__all__ = ["loki_errors", "node_logs", "service_errors"]


@observation(of="hosts", deadline=seconds(12))
async def node_logs(bzzz: BzzzClient) -> tuple[NodeLogs, ...]:
    """The log files of each node that has a shell, the largest by name."""
    return await bzzz.hosts.logs()


@observation(of="loki", deadline=seconds(8))
async def loki_errors(bzzz: BzzzClient) -> Logs:
    """Error lines of the last window in Loki, and whether lines arrive there at all."""
    limits = bzzz.section.limits
    return await bzzz.loki.errors(limits.log_window.duration, int(limits.log_lines.value))


@observation(of="services", deadline=seconds(15))
async def service_errors(bzzz: BzzzClient) -> Logs:
    """Error lines of the same window in the logs of each service (docker service logs)."""
    limits = bzzz.section.limits
    most, window = int(limits.log_lines.value), limits.log_window.duration
    services = await bzzz.services.services()
    names = [service.name for service in services]
    logs = await asyncio.gather(*(bzzz.services.logs(name, since=window, most=most) for name in names))
    errors = [
        LogLine(at=None, of=name, text=bounded_text(line, 300))
        for name, lines in zip(names, logs, strict=True)
        for line in lines
        if re.search(PATTERN, line)
    ]
    why = bzzz.section.absent.get("loki")
    return Logs(
        of=f"{len(names)} services",
        window_s=window.total_seconds(),
        lines=sum(map(len, logs)),
        errors=len(errors),
        fatal=sum(bool(re.search(FATAL, line.text)) for line in errors),
        more=False,
        newest=None,
        newest_only=any(len(lines) >= most for lines in logs),
        samples=sampled(errors[::-1]),
        instead="" if why is None else f"in place of Loki, which is declared absent: {why}",
    )

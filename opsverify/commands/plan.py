"""`--plan` shows what a run would do, `--preflight` whether it could. Neither judges anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsverify.model.deadline import seconds
from opsverify.model.exit_codes import Exit
from opsverify.model.system import Site
from opsverify.probes.errors import classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from opsverify.model.check import Check
    from opsverify.run.run import Run

__all__ = ["CommandResult", "PlanStep", "plan", "preflight"]

_STEP = seconds(5)
_TLS = ("https", "rediss", "postgresqls")
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgresql": 5432}


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of the preflight: whether it worked, and its outcome."""

    surface: str
    what: str
    worked: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Lines that a command prints, whether everything it tried worked, and the exit status otherwise."""

    lines: tuple[str, ...]
    worked: bool
    otherwise: Exit = Exit.GATED_UNKNOWN


def plan(run: Run, checks: Iterable[Check]) -> CommandResult:
    """What would run, what would be skipped and why, and what would write, a line each."""
    would, write, skip = list[str](), list[str](), list[str]()
    sections = run.target.sections()
    for check in sorted(checks, key=lambda c: c.id):
        specs = run.specs_of(check)
        section = sections[check.system]
        absent = [f"{s}: {section.absent[s]}" for spec in specs for s in spec.surfaces if s in section.absent]
        acts = [spec.active for spec in specs if spec.active]
        refused = [why for act in acts if (why := run.arming.why_not("actions", act))]
        line = f"{check.id:<9} {run.severity(check)} {check.system} · {check.subsystem} · {check.name}"
        if absent:
            skip.append(f"{line}: declared absent: {absent[0]}")
        elif refused:
            skip.append(f"{line}: not armed: {refused[0]}")
        elif acts or check.drill:
            write.append(f"{line}: {', '.join(acts) or 'a drill: breaks and repairs a twin of its own'}")
        else:
            would.append(line)
    skip += [f"{check}: {why}" for check, why in sorted(run.not_configured.items())]
    lines = (
        *([f"only {', '.join(run.options.only)}"] if run.options.only else []),
        f"would run, reading only: {len(would)}",
        *(f"  {line}" for line in would),
        f"would run, and write: {len(write)}",
        *(f"  {line}" for line in write),
        f"would be skipped, or not run: {len(skip)}",
        *(f"  {line}" for line in skip),
        *(f"warning: {warning}" for warning in run.warnings),
    )
    return CommandResult(lines, worked=True)


async def preflight(run: Run, checks: Iterable[Check]) -> CommandResult:
    """DNS, connection, TLS, then the system's own questions (login, rights, clock), for each configured surface.

    A run about a part (`checks`) can do without the surfaces that no check of it looks at.
    """
    steps: list[PlanStep] = []
    needed: dict[str, set[str]] = defaultdict(set)
    for check in checks:
        needed[check.system].update(run.surfaces_of(check))
    async with AsyncExitStack() as stack:
        for name, section in run.target.sections().items():
            system = run.systems[name]
            configured = section.addresses()
            for surface, addresses in configured.items():
                for address in addresses.split(", "):
                    steps += await _network(f"{name}.{surface}", address)
            site = Site(system=system, section=section, arming=run.arming)
            site.client = await stack.enter_async_context(system.connect(section))
            for surface, what, question in system.questions(site.client):
                if surface in configured:
                    steps.append(await _step(f"{name}.{surface}", what, question))
    if not steps:
        return CommandResult(
            (f"{run.target.name} starts its own servers: there is no endpoint to reach",), worked=True
        )
    lines = [f"{'ok    ' if s.worked else 'FAILED'} {s.surface:<16} {s.what:<11} {s.outcome}" for s in steps]
    for name, section in run.target.sections().items():
        lines += [f"absent {name}.{surface}: {why}" for surface, why in section.absent.items()]
        lines += [
            f"FAILED {name}.{surface}: neither configured nor declared absent"
            for surface in section.unconfigured()
            if run.part is None or surface in needed[name]
        ]
    failed = sum(line.startswith("FAILED") for line in lines)
    lines.append(f"{len(steps)} steps, {failed} failed; nothing was judged")
    return CommandResult(tuple(lines), worked=not failed)


async def _network(surface: str, address: str) -> list[PlanStep]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:  # several hosts in one address, a port that is no number
        return [PlanStep(surface, "address", worked=False, outcome=f"{address}: {error}")]
    if not host or not port:
        return []

    async def resolve() -> str:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return ", ".join(sorted({str(entry[4][0]) for entry in entries}))

    async def connect() -> str:
        start = time.monotonic()
        _, writer = await asyncio.open_connection(host, port)
        took = time.monotonic() - start
        writer.close()
        return f"{host}:{port} in {took * 1000:.0f} ms"

    async def shake_hands() -> str:
        _, writer = await asyncio.open_connection(
            host, port, ssl=ssl.create_default_context(), server_hostname=host
        )
        certificate = writer.get_extra_info("peercert")
        writer.close()
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        return f"certificate valid until {ends:%Y-%m-%d}, {(ends - datetime.now(UTC)).days} days"

    steps = [await _step(surface, "name", resolve)]
    if steps[-1].worked:
        steps.append(await _step(surface, "connection", connect))
    if steps[-1].worked and parts.scheme in _TLS:
        steps.append(await _step(surface, "TLS", shake_hands))
    return steps


async def _step(surface: str, what: str, question: Callable[[], Awaitable[str]]) -> PlanStep:
    try:
        async with asyncio.timeout(_STEP.total_seconds()):
            return PlanStep(surface, what, worked=True, outcome=await question())
    except Exception as error:  # noqa: BLE001 - the evidence boundary: any error is the outcome of the step
        return PlanStep(surface, what, worked=False, outcome=str(classify(error)))

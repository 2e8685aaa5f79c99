"""Read-only client of the nodes: each node's own agent, its ports, and a shell on it where there is one."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import aiohttp

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from opsverify.probes.errors import classify
from opsverify.probes.host import HostReader
from systems.bzzz.agents.client import AgentApiClient
from systems.bzzz.agents.models import NotAnswering, Running
from systems.bzzz.network.models import Bootstrap, Link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from opsverify.probes.http import Http
    from systems.bzzz.network.target import NodeTarget

__all__ = ["NodesClient", "ShellTarget"]

T = TypeVar("T")

_CONNECT = seconds(2)
_READ = 4096
_TIMED_OUT, _NOT_RUN = 124, (126, 127)
# Each connection in a process of its own, all at once; bash opens them, so that nothing has to be installed. A host's
# and a port's name are arguments, never part of the script.
_REACH = (
    'while [ $# -gt 1 ]; do ( b=$(date +%s%N); m=$(timeout 2 bash -c \'exec 3<>/dev/tcp/$0/$1\' "$1" "$2" 2>&1); '
    's=$?; e=$(date +%s%N); echo "$1 $2 $s $((e-b)) $(echo "$m" | tr -d \'\\r\' | head -n 1 | head -c 200)" ) & '
    "shift 2; done; wait"
)
_ANSWERS: dict[ErrorKind, Literal["refused", "reset", "silent"]] = {
    ErrorKind.REFUSED: "refused",
    ErrorKind.RESET: "reset",
    ErrorKind.SILENT: "silent",
}


@dataclass(frozen=True, slots=True)
class ShellTarget:
    """Address of a shell on a node."""

    host: str
    ssh_config: str | None
    identity_file: str | None


class NodesClient:
    """The nodes by name. All are asked at once; a node that does not answer is returned, not raised."""

    def __init__(self, http: Http, nodes: dict[str, NodeTarget]) -> None:
        self._nodes = nodes
        self._agents = {
            name: AgentApiClient(http, node.agent, f"agent of {name}") for name, node in nodes.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes that the target names."""
        return tuple(self._nodes)

    def of(self, name: str) -> AgentApiClient:
        """One node's own agent."""
        return self._agents[name]

    async def ask(
        self, look: Callable[[AgentApiClient, str], Awaitable[T]], running: Running
    ) -> tuple[dict[str, T], tuple[NotAnswering, ...]]:
        """What each node's own agent answers, and the nodes that should answer and do not.

        Raises:
            Unobservable: an agent could not be asked, for a reason that is not its own (a name that does not resolve,
                a refused login, another program's reply), or no agent that runs is named by the target.
        """
        outcomes = await asyncio.gather(*(self._one(look, name) for name in self._nodes))
        answers = {
            n: o for n, o in zip(self._nodes, outcomes, strict=True) if not isinstance(o, Unobservable)
        }
        troubles = {n: o for n, o in zip(self._nodes, outcomes, strict=True) if isinstance(o, Unobservable)}
        silent = []
        for name, trouble in troubles.items():
            if running.excuses(name) and trouble.kind.unreachable:
                continue
            if not trouble.kind.unreachable:
                raise Unobservable(trouble.kind, f"{name}: {trouble.seen}")
            silent.append(NotAnswering(node=name, kind=trouble.kind, told=bounded_text(trouble.seen, 200)))
        _refuse_unless_addressed(running, self.names)
        if not answers and not silent:
            raise Unobservable(ErrorKind.EMPTY, f"no running agent to ask; {running}")
        return answers, tuple(silent)

    async def _one(self, look: Callable[[AgentApiClient, str], Awaitable[T]], name: str) -> T | Unobservable:
        try:
            return await look(self._agents[name], name)
        except (Unobservable, OSError, aiohttp.ClientError) as error:
            return classify(error)

    async def bootstraps(self, hold: timedelta) -> tuple[Bootstrap, ...]:
        """The outcome of a connection to each bootstrap that is held open for `hold`; nothing is sent."""
        wanted = [(name, node.host, node.bootstrap) for name, node in self._nodes.items() if node.bootstrap]
        return tuple(await asyncio.gather(*(_bootstrap(*each, hold) for each in wanted)))

    async def reach(self) -> tuple[tuple[Link, ...], tuple[str, ...]]:
        """Whether each node reaches each other's P2P and bootstrap port: from a shell on it where there is one, else
        from here; and a text of where from.

        Raises:
            Unobservable: a shell does not answer, or cannot try.
        """
        shells = {name: node.shell for name, node in self._nodes.items() if node.shell}
        from_shells = await asyncio.gather(*(self._from_shell(name) for name in shells))
        links = [link for each in from_shells for link in each]
        places = [f"from a shell on {', '.join(shells)}"] if shells else []
        if len(shells) < len(self._nodes):
            ports = [(name, *port) for name in self._nodes for port in self._ports(name)]
            links += await asyncio.gather(*(_from_here(*port) for port in ports))
            without = ", ".join(n for n in self._nodes if n not in shells)
            places.append(f"from this machine, since there is no shell on {without}")
        return tuple(links), tuple(places)

    def _ports(self, name: str) -> list[tuple[str, str, int]]:
        node = self._nodes[name]
        ports = [("P2P port", node.p2p), *([("bootstrap port", node.bootstrap)] if node.bootstrap else [])]
        return [(f"{what} {port}", node.host, port) for what, port in ports]

    async def _from_shell(self, origin: str) -> list[Link]:
        node = self._nodes[origin]
        wanted = [(name, *port) for name in self._nodes if name != origin for port in self._ports(name)]
        if not wanted:
            return []
        shell = ShellTarget(str(node.shell), node.ssh_config, node.identity_file)
        words = [str(word) for _, _, host, port in wanted for word in (host, port)]
        record_source(f"{origin}: connect to {', '.join(f'{host}:{port}' for _, _, host, port in wanted)}")
        done = await in_thread(lambda: HostReader(shell).ask(_REACH, *words))
        attempts = {}
        for line in done.output.decode("utf-8", "replace").splitlines():
            parts = line.split(" ", 4)
            if len(parts) >= 4 and parts[2].isdigit() and parts[3].isdigit():  # noqa: PLR2004 -- host port status ns
                attempts[parts[0], parts[1]] = int(parts[2]), int(parts[3]) / 1e6, "".join(parts[4:])
        links = []
        for name, what, host, port in wanted:
            if (host, str(port)) not in attempts or attempts[host, str(port)][0] in _NOT_RUN:
                output = bounded_text(f"{done.status} {done.output[:100]!r} {done.errors}", 200)
                raise Unobservable(
                    ErrorKind.PRECONDITION, f"the shell on {origin} cannot try connections: {output}"
                )
            status, took, error = attempts[host, str(port)]
            why = (
                "" if status == 0 else "no answer within 2 s" if status == _TIMED_OUT else bounded_text(error)
            )
            links.append(
                Link(
                    origin=origin,
                    target=name,
                    what=what,
                    how=f"from a shell on {origin}",
                    reached=not why,
                    latency_ms=None if why else took,
                    told=why,
                )
            )
        return links


def _refuse_unless_addressed(running: Running, names: tuple[str, ...]) -> None:
    """Raise Unobservable where an agent runs that has no address of its own in the target."""
    strange = [node for node in running.nodes or () if node not in names]
    twice = {node for node in running.nodes or () if (running.nodes or ()).count(node) > 1}
    if strange or twice:
        message = f"{running}, on {', '.join(running.nodes or ())}; the target has one address each for {', '.join(names)}: not every running agent can be asked"
        raise Unobservable(ErrorKind.PRECONDITION, message)


async def _from_here(name: str, what: str, host: str, port: int) -> Link:
    began = time.monotonic()
    try:
        writer = await _connect(host, port)
    except Unobservable as trouble:
        if trouble.kind not in _ANSWERS:
            raise
        return Link(origin="here", target=name, what=what, how="from here", reached=False, told=str(trouble))
    took = (time.monotonic() - began) * 1000
    await _close(writer[1])
    return Link(origin="here", target=name, what=what, how="from here", reached=True, latency_ms=took)


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection. Raises Unobservable."""
    record_source(f"connect {host}:{port}")
    try:
        async with asyncio.timeout(_CONNECT.total_seconds()) as limit:
            return await asyncio.open_connection(host, port)
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"{host}:{port} accepted no connection within {_CONNECT.total_seconds():g} s"
        raise Unobservable(ErrorKind.SILENT, message) from None
    except (OSError, UnicodeError) as error:
        raise classify(error) from None


async def _bootstrap(name: str, host: str, port: int, hold: timedelta) -> Bootstrap:
    address, began = f"{host}:{port}", time.monotonic()
    try:
        reader, writer = await _connect(host, port)
    except Unobservable as trouble:
        answer = _ANSWERS.get(trouble.kind)
        return Bootstrap(node=name, address=address, answer=answer or "not-seen", told=str(trouble))
    connect_ms = (time.monotonic() - began) * 1000
    try:
        outcome, reason = await _held(reader, hold)
    except BaseException:  # the deadline, or Ctrl-C: no time is left for an orderly end
        writer.transport.abort()
        raise
    await _close(writer)
    return Bootstrap(node=name, address=address, answer=outcome, told=reason, connect_ms=connect_ms)


async def _held(
    reader: asyncio.StreamReader, hold: timedelta
) -> tuple[Literal["accepted", "closed", "reset"], str]:
    """Whether the connection is still open when `hold` is over; what the other side sends is dropped."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(hold.total_seconds()):
            while await reader.read(_READ):
                pass
    except TimeoutError:
        return "accepted", ""
    except OSError as error:
        return "reset", f"{error} after {time.monotonic() - began:.3f} s"
    return "closed", f"accepted, and closed after {time.monotonic() - began:.3f} s"


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 0.5)

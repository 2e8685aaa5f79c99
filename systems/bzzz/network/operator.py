"""Actions on the agents: P2P network, election, DHT, and test tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import action
from opsverify.model.text import bounded_text
from opsverify.probes.http import open_poster
from systems.bzzz.actions import BzzzActions
from systems.bzzz.agents.instances import running_agents
from systems.bzzz.agents.models import TaskRan, TasksRan
from systems.bzzz.services.client import ServiceFailed, operate_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.probes.http import Reply
    from systems.bzzz.services.client import Ran

__all__ = ["PeersActions"]

_IN_AGENT = "docker exec -it $(docker ps -q -f name=bzzz-agent)"
_RESTART_AGENTS = "docker service update --force bzzz-v2_bzzz-agent"
_DATA = "${BZZZ_DATA:-/app/data}"
_P2P, _ELECTION, _DHT = ("B-P2P-1", "B-P2P-2", "B-NET-1"), ("B-ELE-1", "B-ELE-2"), ("B-DHT-1", "B-DHT-2")
_TASK_ANSWERS = frozenset({200, 201, 202, 208, 400, 409, 422, 429, 503})
_CANNOT_RUN = (126, 127)


class PeersActions(BzzzActions):
    """Actions on the agents, through the service manager."""

    @action
    async def restart_bootstraps(self) -> str:
        """Restart the DHT bootstrap of each node, one after the other."""
        by_hand = "; ".join(
            f"docker service update --force bzzz-v2_dht-bootstrap-{node}"
            for node in ("walnut", "ironwood", "acacia")
        )
        manager, target = self._manager(by_hand, _P2P)
        names = [target.bootstrap(n) for n, node in self._section.nodes.items() if node.bootstrap]
        return "; ".join([await manager.restart(name) for name in names])

    @action
    async def restart_agents(self) -> str:
        """Restart every agent: they dial, elect and replicate again."""
        manager, target = self._manager(_RESTART_AGENTS, ("B-SWM-1", *_P2P))
        return await manager.restart(target.agent)

    @action
    async def clear_peer_store(self) -> str:
        """Remove the peer store of every agent, and restart them: for a corrupt store."""
        return await self._removed("peerstore.json", _P2P, restart=True)

    @action
    async def trigger_election(self) -> str:
        """Force an election, asked of one agent after the other until one takes it."""
        program = " ".join(self._section.peers.program)
        self._manager(f"{_IN_AGENT} {program} trigger-election", _ELECTION)
        ran = await self._on_agents(("trigger-election",), until_worked=True)
        if ran[-1].status != 0:
            msg = f"no agent accepts trigger-election: {_shown(ran)}"
            raise ServiceFailed(msg)
        return f"{ran[-1].node}: {ran[-1].output}"

    @action
    async def clear_election_state(self) -> str:
        """Remove the election state of every agent, and restart them: for a corrupt state."""
        return await self._removed("election.json", _ELECTION, restart=True)

    @action
    async def restart_replication(self) -> str:
        """Restart the replication managers: they are part of the agents."""
        manager, target = self._manager(_RESTART_AGENTS, ("B-DHT-1",))
        return await manager.restart(target.agent)

    @action
    async def reprovide_content(self) -> str:
        """Have every agent announce its content again, and repair what lacks replicas."""
        program = " ".join(self._section.peers.program)
        self._manager(f"{_IN_AGENT} {program} reprovide, on every node", _DHT)
        return _all_worked(await self._on_agents(("reprovide",)))

    @action
    async def clear_dht_cache(self) -> str:
        """Remove the DHT cache of every agent; it fills again by itself."""
        return await self._removed("dht/cache/*", _DHT, restart=False)

    @action
    async def test_p2p_message(self) -> TasksRan:
        """Send a P2P test message from each agent."""
        return await self._tested("test-p2p-message")

    @action
    async def test_dht_operations(self) -> TasksRan:
        """Put and get a value in the DHT, from each agent."""
        return await self._tested("test-dht-operations")

    @action
    async def request_task(self, task: str, address: str) -> Reply:
        """Request one test task of the main API; its context stays in the DHT under `address`."""
        if self._section.api is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no api")
        body = {"id": task, "address": address, "task": f"{task}: a probe of opsverify, nothing to do"}
        within = self._section.limits.task_flow.duration
        async with open_poster() as http:
            return await http.post(
                f"{self._section.api.url}/api/tasks", body, answers=_TASK_ANSWERS, within=within
            )

    async def _removed(self, what: str, verified_by: tuple[str, ...], *, restart: bool) -> str:
        script = f'rm -rf -- "{_DATA}"/{what}'
        then = f", then {_RESTART_AGENTS}" if restart else ""
        manager, target = self._manager(
            f"on every node: {_IN_AGENT} rm -rf /app/data/{what}{then}", verified_by
        )
        done = _all_worked(await self._on_agents(("sh", "-c", script), own=False))
        return f"{what} removed on {done}{f'; {await manager.restart(target.agent)}' if restart else ''}"

    async def _on_agents(
        self,
        words: Sequence[str],
        nodes: Sequence[str] = (),
        *,
        own: bool = True,
        until_worked: bool = False,
    ) -> list[TaskRan]:
        """Run a command in the agent's task on each node, or on these; one of BZZZ's own where `own`."""
        services = self._section.services
        if services is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no services")
        manager = operate_services(services)
        command = [*(self._section.peers.program if own else ()), *words]
        within = self._section.limits.command.duration
        ran: list[TaskRan] = []
        for node in nodes or await self._agents():
            done: Ran = await manager.run(services.agent, command, within=within, node=node)
            ran.append(TaskRan(node=node, status=done.status, output=bounded_text(done.output.strip(), 400)))
            if until_worked and done.status == 0:
                break
        return ran

    async def _agents(self) -> tuple[str, ...]:
        running = await running_agents(self._client)
        if not running.nodes:
            raise Unobservable(ErrorKind.PRECONDITION, f"no agent to run the command in: {running}")
        return tuple(dict.fromkeys(running.nodes))

    async def _tested(self, command: str) -> TasksRan:
        nodes = await self._agents()
        try:
            ran = await self._on_agents((command,), nodes)
        except ServiceFailed as error:
            raise Unobservable(ErrorKind.PRECONDITION, f"{command} could not be run: {error}") from None
        cannot = [each for each in ran if each.status in _CANNOT_RUN]
        if cannot:
            message = f"{command} could not be run; check [bzzz.peers] program: {_shown(cannot)}"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        words = " ".join((*self._section.peers.program, command))
        return TasksRan(command=words, nodes=nodes, ran=tuple(ran))


def _shown(ran: Sequence[TaskRan]) -> str:
    return "; ".join(f"{each.node}: status {each.status}, {each.output}" for each in ran)


def _all_worked(ran: Sequence[TaskRan]) -> str:
    """The nodes on which it worked. Raises ServiceFailed where it did not on one of them."""
    if any(each.status != 0 for each in ran):
        raise ServiceFailed(_shown(ran))
    return ", ".join(f"{each.node}{f' ({each.output})' if each.output else ''}" for each in ran)

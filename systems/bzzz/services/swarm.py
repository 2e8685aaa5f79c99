"""Reads a Docker Swarm through Docker's SDK, in a thread: the runbook's `docker service ls, ps, inspect, logs`, `docker stats`."""

from __future__ import annotations

import base64
import binascii
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text, clean_text
from opsverify.probes.blocking import in_thread
from systems.bzzz.services.docker_api import DockerApi, open_docker
from systems.bzzz.services.docker_logs import lines_of
from systems.bzzz.services.models import NetworkSeen, ServiceSeen, SwarmNode, TaskUse
from systems.bzzz.services.swarm_models import (
    Node,
    SwarmService,
    SwarmTask,
    node_of,
    node_seen,
    parsed,
    service_seen,
)
from systems.bzzz.services.swarm_networks import networks_seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from systems.bzzz.services.target import ServicesTarget

__all__ = ["Swarm", "SwarmClient", "look"]

_PERCENT = 100.0
_STATS_AT_ONCE, _BETWEEN_S = 8, 0.5
_LOG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Swarm:
    """One look at a Swarm: the target's services, their tasks, and names by id."""

    services: tuple[SwarmService, ...]
    tasks: tuple[SwarmTask, ...]
    nodes: dict[str, str]
    networks: tuple[dict[str, Any], ...]

    def of(self, service: SwarmService) -> tuple[SwarmTask, ...]:
        """The tasks of a service."""
        return tuple(task for task in self.tasks if task.service_id == service.i_d)

    @property
    def names(self) -> dict[str, str]:
        """The networks' names by id."""
        return {str(each.get("Id", "")): str(each.get("Name", "")) for each in self.networks}


def look(api: DockerApi, target: ServicesTarget) -> Swarm:
    """Look at the services of a target. Raises Unobservable."""
    found = parsed(
        list[SwarmService], api.get("/services", filters={"name": [target.prefix]}, status="true"), "services"
    )
    services = tuple(each for each in found if each.spec.name.startswith(target.prefix))
    tasks: list[SwarmTask] = []
    if services:
        asked_for = {"service": [each.i_d for each in services]}
        tasks = parsed(list[SwarmTask], api.get("/tasks", filters=asked_for), "tasks")
    nodes = parsed(list[Node], api.get("/nodes"), "nodes")
    networks = parsed(list[dict[str, Any]], api.get("/networks"), "networks")
    named = {each.i_d: each.description.hostname for each in nodes}
    return Swarm(services, tuple(tasks), named, tuple(networks))


class SwarmClient:
    """Reads one Swarm through one of its managers. Nothing is sent before it is asked for."""

    def __init__(self, target: ServicesTarget) -> None:
        self._target = target

    async def services(self) -> tuple[ServiceSeen, ...]:
        """Every service whose name begins with the target's prefix. Raises Unobservable."""
        return await in_thread(self._with, self._services)

    async def nodes(self) -> tuple[SwarmNode, ...]:
        """The Swarm's nodes. Raises Unobservable."""
        return await in_thread(self._with, self._nodes)

    async def networks(self) -> tuple[NetworkSeen, ...]:
        """The networks of these services, and that of the target. Raises Unobservable."""
        return await in_thread(self._with, self._networks)

    async def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that exist. Raises Unobservable."""
        return await in_thread(self._with, self._secrets)

    async def configs(self) -> dict[str, bytes]:
        """The configs that exist, decoded. Raises Unobservable."""
        return await in_thread(self._with, self._configs)

    async def uses(self) -> tuple[TaskUse, ...]:
        """What each running task on the manager's own node uses now. Raises Unobservable."""
        return await in_thread(self._with, self._uses)

    async def logs(self, service: str, *, since: timedelta, most: int) -> tuple[str, ...]:
        """The newest lines that a service wrote, oldest first. Raises Unobservable."""
        return await in_thread(self._with, lambda api: self._logs(api, service, since, most))

    def _with(self, read: Callable[[DockerApi], Any]) -> Any:
        with open_docker(self._target) as api:
            return read(api)

    def _services(self, api: DockerApi) -> tuple[ServiceSeen, ...]:
        swarm = look(api, self._target)
        return tuple(
            service_seen(each, swarm.of(each), swarm.nodes, swarm.names)
            for each in sorted(swarm.services, key=lambda s: s.spec.name)
        )

    def _nodes(self, api: DockerApi) -> tuple[SwarmNode, ...]:
        return tuple(node_seen(each) for each in parsed(list[Node], api.get("/nodes"), "nodes"))

    def _networks(self, api: DockerApi) -> tuple[NetworkSeen, ...]:
        swarm = look(api, self._target)
        return networks_seen(api, self._target.network, swarm.services, swarm.tasks, swarm.networks)

    def _secrets(self, api: DockerApi) -> tuple[str, ...]:
        raw = parsed(list[dict[str, Any]], api.get("/secrets"), "secrets")
        return tuple(sorted(_name(each, "secret") for each in raw))

    def _configs(self, api: DockerApi) -> dict[str, bytes]:
        raw = parsed(list[dict[str, Any]], api.get("/configs"), "configs")
        return {_name(each, "config"): _payload(each) for each in raw}

    def _uses(self, api: DockerApi) -> tuple[TaskUse, ...]:
        swarm = look(api, self._target)
        here = {
            str(each.get("Id"))
            for each in parsed(list[dict[str, Any]], api.get("/containers/json"), "containers")
        }
        seen = [
            (service, task)
            for service in swarm.services
            for task in swarm.of(service)
            if task.runs and task.container in here
        ]
        if not seen:
            raise Unobservable(
                ErrorKind.EMPTY, f"no running task of {self._target.prefix}* on {self._target.manager}'s node"
            )

        def sample(of: tuple[SwarmService, SwarmTask]) -> Any:
            query: dict[str, Any] = {"stream": "false", "one-shot": "true"}
            return api.get(f"/containers/{of[1].container}/stats", **query)

        with ThreadPoolExecutor(_STATS_AT_ONCE) as pool:
            before = list(pool.map(sample, seen))
            time.sleep(_BETWEEN_S)  # Docker's own second sample comes two seconds later, for each container
            after = list(pool.map(sample, seen))
        return tuple(
            _use(first, second, service.spec.name, task.i_d, node_of(task, service, swarm.nodes))
            for first, second, (service, task) in zip(before, after, seen, strict=True)
        )

    def _logs(self, api: DockerApi, service: str, since: timedelta, most: int) -> tuple[str, ...]:
        swarm = look(api, self._target)
        ids = [each.i_d for each in swarm.services if each.spec.name == service]
        if not ids:
            raise Unobservable(ErrorKind.EMPTY, f"there is no service {bounded_text(service, 100)}")
        begin = str(int(time.time() - since.total_seconds()))
        raw = api.read(
            f"/services/{ids[0]}/logs",
            _LOG_BYTES,
            stdout="1",
            stderr="1",
            since=begin,
            tail=str(most),
            timestamps="1",
        )
        return lines_of(raw, most)


def _name(raw: dict[str, Any], what: str) -> str:
    spec = raw.get("Spec")
    name = spec.get("Name") if isinstance(spec, dict) else None
    if not isinstance(name, str):
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY, f"a {what} without a name: {bounded_text(repr(raw), 100)}"
        )
    return clean_text(name)


def _payload(raw: dict[str, Any]) -> bytes:
    data = raw["Spec"].get("Data") or ""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        told = f"config {_name(raw, 'config')} holds no base64: {bounded_text(repr(data), 60)}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None


def _use(first: Any, stats: Any, service: str, task: str, node: str) -> TaskUse:
    """A container's use between two samples, as `docker stats` counts it: without the cache that can be taken back."""
    try:
        memory, cpu, before = stats["memory_stats"], stats["cpu_stats"], first["cpu_stats"]
        more = memory.get("stats", {})
        cache = more.get("total_inactive_file", more.get("inactive_file", 0))
        spent = cpu["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
        passed = cpu["system_cpu_usage"] - before["system_cpu_usage"]
        share = spent / passed * cpu.get("online_cpus", 1) * _PERCENT if passed > 0 else 0.0
        return TaskUse(
            service=service,
            task=task,
            node=node,
            memory=max(memory["usage"] - cache, 0),
            memory_limit=memory.get("limit", 0),
            cpu_percent=max(share, 0.0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        told = f"statistics of {service} ({task}) lack {error}: {bounded_text(repr(stats), 200)}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None

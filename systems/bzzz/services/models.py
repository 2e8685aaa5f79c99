"""Services, tasks, nodes, networks, secrets and configs, as their manager answers."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed
from systems.bzzz.services.target import ExpectedService

__all__ = [
    "FAILED",
    "AgentImage",
    "NetworkSeen",
    "RunningServices",
    "ServiceSeen",
    "ServiceSettings",
    "SwarmNode",
    "TaskSeen",
    "TaskUse",
    "UpdateSettings",
    "same_image",
]


class TaskSeen(Observed):
    """One task of a service: a container, or a process. `state` and `desired` in Swarm's words (running, shutdown,
    failed, …); `error` what ended it; `image` with its digest where it is known.
    """

    id: str
    slot: int
    node: str
    state: str
    desired: str
    image: str
    since: AwareDatetime
    error: str = ""
    exit_code: int | None = None


class UpdateSettings(Observed):
    """How an update, or a rollback, is made. `failure_action` is pause, continue or rollback; `delay_s` in seconds."""

    parallelism: int
    delay_s: float
    failure_action: str
    order: str = "stop-first"


class ServiceSeen(Observed):
    """A service as it is specified, with its tasks, newest first, ended ones included.

    `desired` is the number of tasks that its specification asks for; `update_state` is empty when nothing was
    updated, else in Swarm's words (updating, completed, paused, rollback_completed, …). `secrets` and `configs` map
    the name that the service finds it under to the object's name. `environment` are names with values, which may be
    secret: redact before anything is shown. Limits are 0 where none is set, in bytes and in CPUs.
    """

    name: str
    image: str
    desired: int
    tasks: tuple[TaskSeen, ...]
    update_state: str
    update_message: str = ""
    update: UpdateSettings | None = None
    rollback: UpdateSettings | None = None
    memory_limit: int = 0
    cpu_limit: float = 0.0
    secrets: dict[str, str] = {}
    configs: dict[str, str] = {}
    environment: dict[str, str] = {}
    networks: tuple[str, ...] = ()
    endpoint_mode: str = ""
    updated: AwareDatetime | None = None

    @property
    def running(self) -> tuple[TaskSeen, ...]:
        """The tasks that run and should."""
        return tuple(t for t in self.tasks if t.state == "running" and t.desired == "running")


class ServiceSettings(Observed):
    """Every service as it is specified, of so many that the manager has listed."""

    services: tuple[ServiceSeen, ...]
    listed: int


class SwarmNode(Observed):
    """A node of the manager: `state` ready or down, `availability` active, pause or drain, `manager` its
    reachability, empty for a worker.
    """

    name: str
    state: str
    availability: str
    manager: str
    leader: bool = False


class NetworkSeen(Observed):
    """A network and the services whose specification attaches them to it.

    `cut` are tasks that run and should be on it and are not; `unlisted` those that are on it again and are not found
    under their service's name. Both as `service.slot`, as far as the manager sees the tasks itself.
    """

    name: str
    driver: str
    scope: str
    services: tuple[str, ...]
    cut: tuple[str, ...]
    unlisted: tuple[str, ...]


class TaskUse(Observed):
    """What a task uses: memory and its limit in bytes (0: none), CPU in percent of one CPU."""

    service: str
    task: str
    node: str
    memory: int
    memory_limit: int
    cpu_percent: float


FAILED = frozenset({"failed", "rejected", "orphaned"})
"""How the manager calls a task that did not end as it should."""


class AgentImage(Observed):
    """The image that every agent task runs; `identity` is its reference and its digest, each a word."""

    identity: str


class RunningServices(Observed):
    """Every service of the target, the manager's nodes, how many of both it lists, and what is expected of each service and
    whence that is known.

    `required` are services without which there is no BZZZ, where nobody says which there should be. `logs` are the last
    lines of those with failed tasks. `looked` are the looks before this one, where it was confirmed.
    """

    at: AwareDatetime
    services: tuple[ServiceSeen, ...]
    services_listed: int
    nodes: tuple[SwarmNode, ...]
    nodes_listed: int
    expected: dict[str, ExpectedService]
    known_from: str
    required: tuple[str, ...]
    logs: dict[str, tuple[str, ...]] = {}
    looked: tuple[str, ...] = ()


def same_image(running: str, expected: str) -> bool | None:
    """Whether a task's image is the expected one: by digest where both tell it, else by name; None where that is open."""
    name, _, digest = running.partition("@")
    wanted, _, wanted_digest = expected.partition("@")
    if digest and wanted_digest:
        return digest == wanted_digest
    if name != wanted:
        return False
    return None if wanted_digest else True

"""Replies of the Swarm API, as far as they are read, and what they mean. Pure; another shape is an unexpected reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_pascal

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.bzzz.services.models import ServiceSeen, SwarmNode, TaskSeen, UpdateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NODES_LABEL", "Node", "SwarmService", "SwarmTask", "node_seen", "parsed", "service_seen"]

T = TypeVar("T")
NODES_LABEL = "opsverify.nodes"
"""On a service of a twin, whose Swarm is one machine: the nodes that its slots stand for, from slot 1 on."""
_NANO = 1_000_000_000
_absent = BeforeValidator(lambda value: value or {})
_none = BeforeValidator(lambda value: value or [])


class _Wire(BaseModel):
    """Fields are named as Docker names them (`ContainerSpec`); what is not read is ignored, null is as absent."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True, frozen=True)


class _File(_Wire):
    name: str = ""


class _Reference(_Wire):
    file: Annotated[_File, _absent] = _File()
    secret_name: str = ""
    config_name: str = ""


class _Container(_Wire):
    image: str = ""
    env: Annotated[list[str], _none] = []
    secrets: Annotated[list[_Reference], _none] = []
    configs: Annotated[list[_Reference], _none] = []


class _Limits(_Wire):
    nano_cpus: Annotated[int, BeforeValidator(lambda v: v or 0)] = 0
    memory_bytes: Annotated[int, BeforeValidator(lambda v: v or 0)] = 0

    model_config = ConfigDict(alias_generator=lambda n: {"nano_cpus": "NanoCPUs"}.get(n, to_pascal(n)))


class _Resources(_Wire):
    limits: Annotated[_Limits, _absent] = _Limits()


class _Attachment(_Wire):
    target: str


class _Template(_Wire):
    container_spec: Annotated[_Container, _absent] = _Container()
    resources: Annotated[_Resources, _absent] = _Resources()
    networks: Annotated[list[_Attachment], _none] = []


class _Replicated(_Wire):
    replicas: Annotated[int, BeforeValidator(lambda v: v or 0)] = 0


class _Mode(_Wire):
    replicated: _Replicated | None = None


class _Settings(_Wire):
    parallelism: int = 0
    delay: int = 0
    failure_action: str = "pause"
    order: str = "stop-first"


class _Endpoint(_Wire):
    mode: str = "vip"


class _Spec(_Wire):
    name: str
    labels: Annotated[dict[str, str], _absent] = {}
    task_template: Annotated[_Template, _absent] = _Template()
    mode: Annotated[_Mode, _absent] = _Mode()
    networks: Annotated[list[_Attachment], _none] = []
    update_config: _Settings | None = None
    rollback_config: _Settings | None = None
    endpoint_spec: Annotated[_Endpoint, _absent] = _Endpoint()


class _Progress(_Wire):
    state: str = ""
    message: str = ""


class _Count(_Wire):
    desired_tasks: int = 0


class SwarmService(_Wire):
    """A service, of `/services`."""

    i_d: Annotated[str, ...] = ""
    spec: _Spec
    updated_at: AwareDatetime | None = None
    update_status: Annotated[_Progress, _absent] = _Progress()
    service_status: _Count | None = None

    model_config = ConfigDict(alias_generator=lambda n: {"i_d": "ID"}.get(n, to_pascal(n)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Ids, or names, of the networks that it is attached to."""
        attached = self.spec.task_template.networks or self.spec.networks
        return tuple(each.target for each in attached)


class _ContainerStatus(_Wire):
    container_id: Annotated[str, BeforeValidator(lambda v: v or "")] = ""
    exit_code: int | None = None

    model_config = ConfigDict(alias_generator=lambda n: {"container_id": "ContainerID"}.get(n, to_pascal(n)))


class _Status(_Wire):
    timestamp: AwareDatetime
    state: str
    message: str = ""
    err: str = ""
    container_status: Annotated[_ContainerStatus, _absent] = _ContainerStatus()


class _TaskSpec(_Wire):
    container_spec: Annotated[_Container, _absent] = _Container()


class SwarmTask(_Wire):
    """A task, of `/tasks`."""

    i_d: str
    service_id: str = ""
    slot: int = 0
    node_id: str = ""
    created_at: AwareDatetime
    desired_state: str = ""
    spec: Annotated[_TaskSpec, _absent] = _TaskSpec()
    status: _Status

    model_config = ConfigDict(
        alias_generator=lambda n: {"i_d": "ID", "service_id": "ServiceID", "node_id": "NodeID"}.get(
            n, to_pascal(n)
        )
    )

    @property
    def runs(self) -> bool:
        """Whether it runs and should."""
        return self.status.state == self.desired_state == "running"

    @property
    def container(self) -> str:
        """Id of its container, empty while it has none."""
        return self.status.container_status.container_id


class _Description(_Wire):
    hostname: str = ""


class _NodeState(_Wire):
    state: str = ""


class _NodeSpec(_Wire):
    availability: str = ""


class _Manager(_Wire):
    reachability: str = ""
    leader: bool = False


class Node(_Wire):
    """A node, of `/nodes`."""

    i_d: str
    description: Annotated[_Description, _absent] = _Description()
    status: Annotated[_NodeState, _absent] = _NodeState()
    spec: Annotated[_NodeSpec, _absent] = _NodeSpec()
    manager_status: _Manager | None = None

    model_config = ConfigDict(alias_generator=lambda n: {"i_d": "ID"}.get(n, to_pascal(n)))


def parsed(shape: type[T], raw: Any, what: str) -> T:
    """`raw` in a shape. Raises Unobservable, naming the first thing that does not fit."""
    try:
        return TypeAdapter(shape).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        told = f"{what}: {where}: {first['msg']}, got {bounded_text(repr(first['input']), 100)}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None


def node_seen(node: Node) -> SwarmNode:
    """A node, in our words."""
    manager = node.manager_status
    return SwarmNode(
        name=node.description.hostname or node.i_d,
        state=node.status.state,
        availability=node.spec.availability,
        manager=manager.reachability if manager else "",
        leader=bool(manager and manager.leader),
    )


def service_seen(
    service: SwarmService, tasks: Sequence[SwarmTask], nodes: Mapping[str, str], networks: Mapping[str, str]
) -> ServiceSeen:
    """A service with its tasks, newest first. `nodes` and `networks` are names by id."""
    spec = service.spec
    container, limits = spec.task_template.container_spec, spec.task_template.resources.limits
    newest = sorted(tasks, key=lambda task: (task.created_at, task.status.timestamp), reverse=True)
    return ServiceSeen(
        name=spec.name,
        image=container.image,
        desired=_desired(service, tasks),
        tasks=tuple(task_seen(task, service, nodes) for task in newest),
        update_state=service.update_status.state,
        update_message=service.update_status.message,
        update=_settings(spec.update_config),
        rollback=_settings(spec.rollback_config),
        memory_limit=limits.memory_bytes,
        cpu_limit=limits.nano_cpus / _NANO,
        secrets={each.file.name or each.secret_name: each.secret_name for each in container.secrets},
        configs={each.file.name or each.config_name: each.config_name for each in container.configs},
        environment=dict(each.partition("=")[::2] for each in container.env),
        networks=tuple(networks.get(each, each) for each in service.targets),
        endpoint_mode=spec.endpoint_spec.mode,
        updated=service.updated_at,
    )


def task_seen(task: SwarmTask, service: SwarmService, nodes: Mapping[str, str]) -> TaskSeen:
    """A task, in our words. An exit code is told of an ended one only: a running one has 0 too."""
    ended = task.status.state in {"complete", "failed", "shutdown", "rejected", "orphaned"}
    return TaskSeen(
        id=task.i_d,
        slot=task.slot,
        node=node_of(task, service, nodes),
        state=task.status.state,
        desired=task.desired_state,
        image=task.spec.container_spec.image,
        since=task.status.timestamp,
        error=task.status.err,
        exit_code=task.status.container_status.exit_code if ended and task.container else None,
    )


def node_of(task: SwarmTask, service: SwarmService, nodes: Mapping[str, str]) -> str:
    """The node of a task: the one that its slot stands for on a twin's single machine, else its own."""
    stands_for = service.spec.labels.get(NODES_LABEL, "").split(",")
    if 1 <= task.slot <= len(stands_for) and stands_for[task.slot - 1]:
        return stands_for[task.slot - 1]
    return nodes.get(task.node_id, task.node_id)


def _desired(service: SwarmService, tasks: Sequence[SwarmTask]) -> int:
    if service.spec.mode.replicated is not None:
        return service.spec.mode.replicated.replicas
    if service.service_status is not None:
        return service.service_status.desired_tasks
    return sum(1 for task in tasks if task.desired_state == "running")


def _settings(settings: _Settings | None) -> UpdateSettings | None:
    if settings is None:
        return None
    return UpdateSettings(
        parallelism=settings.parallelism,
        delay_s=settings.delay / _NANO,
        failure_action=settings.failure_action,
        order=settings.order,
    )

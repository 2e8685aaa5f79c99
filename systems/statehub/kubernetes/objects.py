"""Kubernetes objects as types, and what is read of them: deployments with pods, jobs, services, config maps."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.statehub.kubernetes.models import Deployment, Drift

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "APPLIED",
    "Condition",
    "ConfigMap",
    "Containers",
    "EndpointSlice",
    "Job",
    "KubernetesService",
    "PodList",
    "Slices",
    "deployment_of",
    "parsed",
    "seconds_of",
    "selector_of",
]

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MOST = 20


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


_P = TypeVar("_P", bound=_Part)


class Metadata(_Part):
    """Of any object."""

    name: str = ""
    generation: int = 0
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None


class Condition(_Part):
    """Of a job or a deployment; `status` is True, False or Unknown, as text."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class EnvVariable(_Part):
    """Of a container's environment."""

    name: str
    value: str | None = None
    value_from: dict[str, Any] | None = None


class Container(_Part):
    """Of a pod's template."""

    name: str
    image: str = ""
    env: tuple[EnvVariable, ...] = ()
    env_from: tuple[dict[str, Any], ...] = ()


class _PodSpec(_Part):
    containers: tuple[Container, ...] = ()


class _Template(_Part):
    spec: _PodSpec = _PodSpec()


class _Selector(_Part):
    match_labels: dict[str, str] = {}


class _DeploymentSpec(_Part):
    replicas: int = 1
    paused: bool = False
    selector: _Selector = _Selector()
    template: _Template = _Template()


class _DeploymentStatus(_Part):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Containers(_Part):
    """A deployment."""

    metadata: Metadata
    spec: _DeploymentSpec
    status: _DeploymentStatus = _DeploymentStatus()


class _ContainerStatus(_Part):
    name: str = ""
    image: str = ""
    image_id: str = Field(default="", alias="imageID")
    ready: bool = False
    restart_count: int = 0
    state: dict[str, dict[str, Any]] = {}


class _PodStatus(_Part):
    phase: str = ""
    container_statuses: tuple[_ContainerStatus, ...] = ()


class Pod(_Part):
    """A pod."""

    metadata: Metadata
    status: _PodStatus = _PodStatus()


class PodList(_Part):
    """Pods of one deployment."""

    items: tuple[Pod, ...]


class _JobStatus(_Part):
    active: int = 0
    conditions: tuple[Condition, ...] = ()


class Job(_Part):
    """A job."""

    metadata: Metadata
    status: _JobStatus = _JobStatus()


class _Port(_Part):
    port: int


class _ServiceSpec(_Part):
    ports: tuple[_Port, ...] = ()


class KubernetesService(_Part):
    """A service."""

    spec: _ServiceSpec


class _Ready(_Part):
    ready: bool = True  # "nil should be interpreted as true", discovery.k8s.io/v1


class _Endpoint(_Part):
    addresses: tuple[str, ...] = ()
    conditions: _Ready = _Ready()


class EndpointSlice(_Part):
    """Some endpoints of a service."""

    endpoints: tuple[_Endpoint, ...] | None = None


class Slices(_Part):
    """All endpoints of a service."""

    items: tuple[EndpointSlice, ...]


class ConfigMap(_Part):
    """A config map."""

    data: dict[str, str] = {}


def parsed(kind: type[_P], document: Any, where: str) -> _P:
    """An object of this kind. Raises Unobservable with the name of the first invalid field."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        message = bounded_text(f"{where}: {at}: {first['msg']}", 200)
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None


def selector_of(deployment: Containers) -> str:
    """The label selector of its pods."""
    return ",".join(f"{name}={value}" for name, value in deployment.spec.selector.match_labels.items())


def deployment_of(name: str, live: Containers, pods: Iterable[Pod], image: str) -> Deployment:
    """The observed value of a deployment and its pods."""
    living = [p for p in pods if p.metadata.deletion_timestamp is None]
    statuses = [c for pod in living for c in pod.status.container_statuses]
    images = tuple(c.image for c in live.spec.template.spec.containers)
    ours = {c.name for c in live.spec.template.spec.containers if same_image(c.image, image)}
    ids = [c.image_id for c in statuses if c.name in ours and c.image_id]
    return Deployment(
        name=name,
        found=True,
        desired=live.spec.replicas,
        available=live.status.available_replicas,
        images=images,
        image_ids=tuple(sorted(ids)),
        pods=tuple(_shown(pod) for pod in living[:_MOST]),
        stalled=_stalled(live),
        rolling=_rolling(live),
        drift=_drift(live),
    )


def same_image(name: str, expected: str) -> bool:
    """Whether two names are of one image: the longer one may have a registry in front."""
    return name == expected or name.endswith(f"/{expected}")


def _rolling(deployment: Containers) -> str:
    """State of a rollout in progress; empty if there is none."""
    status, wanted = deployment.status, deployment.spec.replicas
    rolling = status.observed_generation < deployment.metadata.generation or (
        wanted and (status.updated_replicas < wanted or status.replicas > status.updated_replicas)
    )
    if not rolling or _stalled(deployment):
        return ""
    return f"{status.updated_replicas} of {wanted} replicas updated"


def _stalled(deployment: Containers) -> str:
    """Why its rollout does not proceed; empty if nothing stops it."""
    if deployment.spec.paused:
        return "rollout paused (spec.paused)"
    for condition in deployment.status.conditions:
        if condition.type == "Progressing" and condition.status == "False":
            return bounded_text(f"{condition.reason}: {condition.message}", 200)
    return ""


def _shown(pod: Pod) -> str:
    words = []
    for c in pod.status.container_statuses:
        waiting = str(c.state.get("waiting", {}).get("reason", ""))
        words.append(
            f"{c.name} {waiting or ('ready' if c.ready else 'not ready')}, {c.restart_count} restarts"
        )
    return bounded_text(f"{pod.metadata.name} {pod.status.phase}: {'; '.join(words) or 'no container'}", 200)


def _drift(deployment: Containers) -> Drift | None:
    """Differences from the last-applied configuration. Values of variables are not shown: they may be secret."""
    text = deployment.metadata.annotations.get(APPLIED)
    if text is None:
        return None
    try:
        manifest = json.loads(text)
        applied = Containers.model_validate({**manifest, "status": {}})
        replicas = manifest["spec"].get("replicas")
    except (ValueError, RecursionError, TypeError, AttributeError):
        message = f"{deployment.metadata.name}: the annotation {APPLIED} is not a deployment"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None
    compared = []  # whether a setting is as applied, and the text if it is not
    if replicas is not None:
        text = f"replicas {deployment.spec.replicas}, applied {applied.spec.replicas}"
        compared.append((applied.spec.replicas == deployment.spec.replicas, text))
    live, was = (_by_name(d.spec.template.spec.containers) for d in (deployment, applied))
    compared += [
        (False, f"container {name} is live or applied, but not both") for name in sorted(set(live) ^ set(was))
    ]
    for name in sorted(set(live) & set(was)):
        text = f"{name}: image {live[name].image}, applied {was[name].image}"
        compared.append((live[name].image == was[name].image, text))
        now, then = ({v.name: v for v in c.env} for c in (live[name], was[name]))
        compared += [
            (_as_applied(now.get(key), then.get(key)), f"{name}: env {key}")
            for key in sorted(set(now) | set(then))
        ]
    different = [bounded_text(text, 200) for same, text in compared if not same]
    return Drift(
        compared=len(compared),
        same=len(compared) - len(different),
        differences=tuple(different[:_MOST]),
    )


def _as_applied(live: EnvVariable | None, was: EnvVariable | None) -> bool:
    """Whether a variable is as applied. The API server drops empty values, and adds defaults to references."""
    if live is None or was is None:
        return False
    refers, referred = live.value_from or {}, was.value_from or {}
    same = all(
        isinstance(refers[kind], dict) and isinstance(to, dict) and to.items() <= refers[kind].items()
        for kind, to in referred.items()
        if kind in refers
    )
    return (live.value or "") == (was.value or "") and set(refers) == set(referred) and same


def _by_name(containers: Iterable[Container]) -> Mapping[str, Container]:
    return {c.name: c for c in containers}


def seconds_of(config: ConfigMap, setting: str) -> float | None:
    """A time limit by its setting's name, in seconds (`360`, `360s`, `6m`): the shortest of all; None if there is none."""
    pattern = rf"\b{re.escape(setting)}\b[\"']?\s*[:=]?\s*[\"']?(\d{{1,9}})\s*(ms|s|m|h)?\b"
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    # The setting may also be a key of the config map.
    texts = [f"{key} {text}" for key, text in config.data.items()]
    limits = [float(m[1]) * units.get(m[2] or "s", 1) for text in texts for m in re.finditer(pattern, text)]
    return min(limits, default=None)

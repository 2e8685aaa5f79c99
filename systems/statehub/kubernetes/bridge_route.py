"""The worker's route to State Hub by its environment, and the time limit of the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opsverify.model.observation import ErrorKind, Unobservable
from systems.statehub.kubernetes.models import Allowance, Route
from systems.statehub.kubernetes.objects import (
    ConfigMap,
    Container,
    Containers,
    KubernetesService,
    Slices,
    parsed,
    seconds_of,
)

if TYPE_CHECKING:
    from systems.statehub.kubernetes.client import KubernetesClient
    from systems.statehub.sweeps.models import SweepEvent

__all__ = ["configured_allowance", "observed_allowance", "route"]


async def route(kubernetes: KubernetesClient) -> Route:
    """The worker's URL of State Hub, and the service that should be behind it."""
    target = kubernetes.target
    space = f"/namespaces/{target.namespace}"
    worker = await kubernetes.read(f"/apis/apps/v1{space}/deployments/{target.worker}")
    if worker is None:
        message = f"deployment {target.worker} does not exist in {target.namespace}; see S-K8S-1"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    url, origin = await _variable(kubernetes, parsed(Containers, worker, target.worker))
    service = await kubernetes.read(f"/api/v1{space}/services/{target.bridge_service}")
    label = f"?labelSelector=kubernetes.io/service-name={target.bridge_service}"
    slices = await kubernetes.read(f"/apis/discovery.k8s.io/v1{space}/endpointslices{label}")
    ends = [
        e
        for one in parsed(Slices, slices or {"items": ()}, "endpoint slices").items
        for e in one.endpoints or ()
        if e.addresses
    ]
    ports = parsed(KubernetesService, service, target.bridge_service).spec.ports if service else ()
    return Route(
        variable=target.bridge_variable,
        url=url,
        origin=origin,
        service=target.bridge_service,
        namespace=target.namespace,
        exists=service is not None,
        ports=tuple(p.port for p in ports),
        ready=sum(e.conditions.ready for e in ends),
        not_ready=sum(not e.conditions.ready for e in ends),
    )


async def _variable(kubernetes: KubernetesClient, worker: Containers) -> tuple[str, str]:
    """The variable's value and its origin; empty if the worker has none.

    Raises:
        Unobservable: it may be in a secret, and secrets are not read; or containers have different values.
    """
    name, containers = kubernetes.target.bridge_variable, worker.spec.template.spec.containers
    by_container = [await _of_container(kubernetes, each) for each in containers]
    values = [each for each in by_container if each is not None]
    if len({url for url, _ in values}) > 1:
        message = f"the worker's containers have different {name}: {' and '.join(url for url, _ in values)}"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    if values:
        return values[0]
    if any("secretRef" in source for each in containers for source in each.env_from):
        message = f"the worker's {name} can only come from a secret, which is not read"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    return "", "nowhere"


async def _of_container(kubernetes: KubernetesClient, container: Container) -> tuple[str, str] | None:
    """The variable in one container, or None. Kubernetes takes the last of two with one name, and `env` before `envFrom`."""
    name = kubernetes.target.bridge_variable
    for variable in reversed(container.env):
        if variable.name == name:
            if variable.value_from is None:
                return variable.value or "", "the deployment"
            return await _referred(kubernetes, variable.value_from.get("configMapKeyRef"))
    for source in reversed(container.env_from):
        config, prefix = source.get("configMapRef"), str(source.get("prefix") or "")
        if isinstance(config, dict) and name.startswith(prefix):
            data = await _config(kubernetes, config.get("name"))
            if (key := name.removeprefix(prefix)) in data:
                return data[key], f"config map {config.get('name')}"
    return None


async def _referred(kubernetes: KubernetesClient, config: Any) -> tuple[str, str]:
    name = kubernetes.target.bridge_variable
    if not isinstance(config, dict):
        message = f"the worker's {name} comes from a secret or a field, which is not read"
        raise Unobservable(ErrorKind.PRECONDITION, message)
    data = await _config(kubernetes, config.get("name"))
    return data.get(str(config.get("key")), ""), f"config map {config.get('name')}"


async def _config(kubernetes: KubernetesClient, name: Any) -> dict[str, str]:
    path = f"/api/v1/namespaces/{kubernetes.target.namespace}/configmaps/{quote(str(name), safe='')}"
    config = await kubernetes.read(path)
    return parsed(ConfigMap, config, f"config map {name}").data if config else {}


async def configured_allowance(kubernetes: KubernetesClient) -> Allowance | None:
    """The time limit in the configuration of the bridge's proxy; None if there is none."""
    target = kubernetes.target
    data = await _config(kubernetes, target.bridge_config)
    limit = seconds_of(ConfigMap(data=data), target.bridge_timeout)
    where = f"{target.bridge_timeout} in config map {target.bridge_config}"
    if limit is None:
        return None
    return Allowance(configured_s=limit, longest_s=None, known_from=where, missing=())


def observed_allowance(events: tuple[SweepEvent, ...], source: str) -> Allowance:
    """The longest scheduled sweep without an automation error: the bridge passed a request that long."""
    passed = [
        (e.result.took_s, e)
        for e in events
        if e.result.source == source and e.result.took_s is not None and not e.result.automation_error
    ]
    if not passed:
        return Allowance(
            configured_s=None, longest_s=None, known_from="no sweep event has a duration", missing=()
        )
    took, event = max(passed, key=lambda p: p[0])
    where = f"the longest sweep that passed: {event.id} of {event.at:%F %T}Z"
    return Allowance(configured_s=None, longest_s=took, known_from=where, missing=())

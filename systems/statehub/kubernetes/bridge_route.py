"""Where the worker finds State Hub, by its environment; and how long a request through the bridge may take."""

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

__all__ = ["allowance_told", "allowance_used", "route"]


async def route(kubernetes: KubernetesClient) -> Route:
    """The worker's address of State Hub, with the service that should stand behind it."""
    target = kubernetes.target
    space = f"/namespaces/{target.namespace}"
    said = await kubernetes.read(f"/apis/apps/v1{space}/deployments/{target.worker}")
    if said is None:
        told = f"there is no deployment {target.worker} in {target.namespace}; see S-K8S-1"
        raise Unobservable(ErrorKind.PRECONDITION, told)
    url, origin = await _variable(kubernetes, parsed(Containers, said, target.worker))
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
    """The variable's value and where it stands; empty where the worker has none.

    Raises:
        Unobservable: it may stand in a secret, and secrets are not read; or containers have different ones.
    """
    name, containers = kubernetes.target.bridge_variable, worker.spec.template.spec.containers
    given = [await _of_container(kubernetes, each) for each in containers]
    found = [each for each in given if each is not None]
    if len({url for url, _ in found}) > 1:
        told = f"the worker's containers have different {name}: {' and '.join(url for url, _ in found)}"
        raise Unobservable(ErrorKind.PRECONDITION, told)
    if found:
        return found[0]
    if any("secretRef" in source for each in containers for source in each.env_from):
        told = f"the worker's {name} can only come from a secret, which is not read"
        raise Unobservable(ErrorKind.PRECONDITION, told)
    return "", "nowhere"


async def _of_container(kubernetes: KubernetesClient, container: Container) -> tuple[str, str] | None:
    """The variable in one container, or None. Of two of one name Kubernetes takes the last, and `env` before `envFrom`."""
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
        told = f"the worker's {name} comes from a secret or a field, which is not read"
        raise Unobservable(ErrorKind.PRECONDITION, told)
    data = await _config(kubernetes, config.get("name"))
    return data.get(str(config.get("key")), ""), f"config map {config.get('name')}"


async def _config(kubernetes: KubernetesClient, name: Any) -> dict[str, str]:
    path = f"/api/v1/namespaces/{kubernetes.target.namespace}/configmaps/{quote(str(name), safe='')}"
    said = await kubernetes.read(path)
    return parsed(ConfigMap, said, f"config map {name}").data if said else {}


async def allowance_told(kubernetes: KubernetesClient) -> Allowance | None:
    """What the configuration of the bridge's proxy allows; None where it does not tell."""
    target = kubernetes.target
    data = await _config(kubernetes, target.bridge_config)
    told = seconds_of(ConfigMap(data=data), target.bridge_timeout)
    where = f"{target.bridge_timeout} in config map {target.bridge_config}"
    if told is None:
        return None
    return Allowance(configured_s=told, longest_s=None, known_from=where, missing=())


def allowance_used(events: tuple[SweepEvent, ...], source: str) -> Allowance:
    """The longest scheduled sweep that ended well: the bridge has let that much through; empty where none tells."""
    passed = [
        (e.result.took_s, e)
        for e in events
        if e.result.source == source and e.result.took_s is not None and not e.result.automation_error
    ]
    if not passed:
        return Allowance(
            configured_s=None, longest_s=None, known_from="no sweep tells how long it took", missing=()
        )
    took, event = max(passed, key=lambda p: p[0])
    where = f"the longest sweep that passed, {event.id} of {event.at:%F %T}Z"
    return Allowance(configured_s=None, longest_s=took, known_from=where, missing=())

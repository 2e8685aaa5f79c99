"""The networks of a Swarm's services: who should be on each, who is, and who is found there by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsverify.model.text import clean_text
from systems.bzzz.services.models import NetworkSeen
from systems.bzzz.services.swarm_models import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from systems.bzzz.services.docker_api import DockerApi
    from systems.bzzz.services.swarm_models import SwarmService, SwarmTask

__all__ = ["networks_seen"]


def networks_seen(
    api: DockerApi,
    network: str,
    services: Sequence[SwarmService],
    tasks: Sequence[SwarmTask],
    networks: Sequence[dict[str, Any]],
) -> tuple[NetworkSeen, ...]:
    """Each network that one of `services` is attached to, and the one named `network` where it exists. Raises Unobservable."""
    wanted = {target for each in services for target in each.targets}
    here = _containers(api)
    return tuple(
        _seen(api, each, services, tasks, here)
        for each in sorted(networks, key=lambda n: str(n.get("Name")))
        if each.get("Name") == network or wanted & {each.get("Id"), each.get("Name")}
    )


def _containers(api: DockerApi) -> dict[str, set[str]]:
    """Ids of the networks that each running container of the manager's own node has an endpoint on."""
    found = parsed(list[dict[str, Any]], api.get("/containers/json"), "containers")
    attached = {}
    for each in found:
        networks = (each.get("NetworkSettings") or {}).get("Networks") or {}
        attached[str(each.get("Id"))] = {str((n or {}).get("NetworkID")) for n in networks.values()}
    return attached


def _seen(
    api: DockerApi,
    network: dict[str, Any],
    services: Sequence[SwarmService],
    tasks: Sequence[SwarmTask],
    here: dict[str, set[str]],
) -> NetworkSeen:
    ids = {str(network.get("Id")), str(network.get("Name"))}
    attached = [each for each in services if ids & set(each.targets)]
    by_id = {each.i_d: each.spec.name for each in attached}
    overlay = network.get("Driver") == "overlay"
    listed = _listed(api, str(network.get("Id"))) if attached and overlay else None
    cut, unlisted = [], []
    for task in tasks:
        if task.service_id not in by_id or not task.runs or task.container not in here:
            continue
        name = f"{by_id[task.service_id]}.{task.slot}"
        if not ids & here[task.container]:
            cut.append(name)
        elif listed is not None and f"{name}.{task.i_d}" not in listed:
            unlisted.append(name)
    return NetworkSeen(
        name=clean_text(str(network.get("Name"))),
        driver=str(network.get("Driver", "")),
        scope=str(network.get("Scope", "")),
        services=tuple(sorted(by_id.values())),
        cut=tuple(sorted(cut)),
        unlisted=tuple(sorted(unlisted)),
    )


def _listed(api: DockerApi, network: str) -> set[str] | None:
    """The tasks that Docker's name service knows on a network; None where it has gone meanwhile."""
    raw = api.get(f"/networks/{network}", missing=True, verbose="true")
    return None if raw is None else set(_tasks(raw.get("Services")))


def _tasks(services: Any) -> Iterator[str]:
    for service in services.values() if isinstance(services, dict) else ():
        for task in (service or {}).get("Tasks") or ():
            yield str((task or {}).get("Name"))

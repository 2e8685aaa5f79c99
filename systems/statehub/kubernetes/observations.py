"""Observations of the cluster: deployments, the sync job, the way to the bridge."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.probes.errors import classify
from systems.statehub.activity.definition import definition_of
from systems.statehub.client import StateHubClient
from systems.statehub.kubernetes import bridge_route
from systems.statehub.kubernetes.models import Allowance, Deployment, Deployments, Route, SyncJob
from systems.statehub.kubernetes.objects import Containers, Job, PodList, deployment_of, parsed, selector_of
from systems.statehub.sweeps.window import TROUBLES, promised, sweeps

__all__ = ["applied_manifest", "bridge_allowance", "deployments", "sync_job", "worker_route"]


@observation(of="kubernetes", deadline=seconds(10))
async def deployments(statehub: StateHubClient) -> Deployments:
    """Activity-core's deployments with their pods."""
    kubernetes = statehub.kubernetes
    target, found = kubernetes.target, []
    space = f"/namespaces/{target.namespace}"
    for name in target.deployments:
        said = await kubernetes.read(f"/apis/apps/v1{space}/deployments/{name}")
        if said is None:
            found.append(Deployment.absent(name))
            continue
        seen = parsed(Containers, said, f"deployment {name}")
        if not selector_of(seen):  # it would choose every pod of the namespace
            told = f"deployment {name} chooses its pods by other means than labels, which is not read"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told)
        pods = await kubernetes.read(f"/api/v1{space}/pods?labelSelector={selector_of(seen)}&limit=100")
        listed = parsed(PodList, pods or {"items": ()}, f"pods of {name}").items
        found.append(deployment_of(name, seen, listed, target.image))
    return Deployments(image=target.image, wanted=target.deployments, deployments=tuple(found))


@observation(of="kubernetes", deadline=seconds(10))
async def applied_manifest(statehub: StateHubClient) -> Deployments:
    """The same, where any of the deployments tells which manifest was applied last."""
    seen: Deployments = await deployments.function(statehub)
    there = [d for d in seen.deployments if d.found]
    if there and all(d.drift is None for d in there):
        names = ", ".join(d.name for d in there)
        told = f"{names}: no annotation of `kubectl apply`; S-SCH-1 compares the definition itself"
        raise Unobservable(ErrorKind.NOT_PUBLISHED, told)
    return seen


@observation(of="kubernetes", deadline=seconds(10))
async def sync_job(statehub: StateHubClient) -> SyncJob:
    """The job that syncs definitions; where it is gone, the definition that it has left."""
    target = statehub.kubernetes.target
    said = await statehub.kubernetes.read(f"/apis/batch/v1/namespaces/{target.namespace}/jobs/{target.job}")
    if said is None:
        left = definition_of(await statehub.activity.definitions(), promised(statehub))
        return SyncJob(name=target.job, state="absent", told="", definition=left)
    job = parsed(Job, said, f"job {target.job}")
    ended = {c.type: f"{c.reason} {c.message}".strip() for c in job.status.conditions if c.status == "True"}
    for kind in ("Failed", "Complete"):
        if kind in ended:
            return SyncJob(name=target.job, state=kind.lower(), told=ended[kind][:200], definition=None)
    return SyncJob(name=target.job, state="running", told=f"{job.status.active} pods active", definition=None)


@observation(of="kubernetes", deadline=seconds(10))
async def worker_route(statehub: StateHubClient) -> Route:
    """Where the worker finds State Hub."""
    return await bridge_route.route(statehub.kubernetes)


@observation(of="bridge", deadline=seconds(10))
async def bridge_allowance(statehub: StateHubClient) -> Allowance:
    """How long a request through the bridge may take: from its configuration, or the longest sweep that passed."""
    missing = ["no configuration tells the limit"]
    if statehub.section.kubernetes is not None:
        try:
            if (configured := await bridge_route.allowance_told(statehub.kubernetes)) is not None:
                return configured
        except TROUBLES as trouble:
            missing.append(f"kubernetes: {classify(trouble)}")
    try:
        seen = await sweeps(statehub)
    except TROUBLES as trouble:
        missing.append(f"api: {classify(trouble)}")
        raise Unobservable(ErrorKind.PRECONDITION, "; ".join(missing)) from None
    used = bridge_route.allowance_used(seen.events, seen.source)
    return used.model_copy(update={"missing": tuple(missing)})

"""Observations of the cluster: deployments, the sync job, the worker's route, the bridge's time limit."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.probes.errors import classify
from systems.statehub.activity.definition import definition_of
from systems.statehub.client import StateHubClient
from systems.statehub.kubernetes import bridge_route
from systems.statehub.kubernetes.models import Allowance, Deployment, Deployments, Route, SyncJob
from systems.statehub.kubernetes.objects import Containers, Job, PodList, deployment_of, parsed, selector_of
from systems.statehub.sweeps.window import SOURCE_ERRORS, promised, sweeps

__all__ = ["applied_manifest", "bridge_allowance", "deployments", "sync_job", "worker_route"]


@observation(of="kubernetes", deadline=seconds(10))
async def deployments(statehub: StateHubClient) -> Deployments:
    """Activity-core's deployments with their pods."""
    kubernetes = statehub.kubernetes
    target, result = kubernetes.target, []
    space = f"/namespaces/{target.namespace}"
    for name in target.deployments:
        document = await kubernetes.read(f"/apis/apps/v1{space}/deployments/{name}")
        if document is None:
            result.append(Deployment.absent(name))
            continue
        live = parsed(Containers, document, f"deployment {name}")
        if not selector_of(live):  # an empty selector matches every pod of the namespace
            message = f"deployment {name} has a selector without matchLabels, which is not supported"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        pods = await kubernetes.read(f"/api/v1{space}/pods?labelSelector={selector_of(live)}&limit=100")
        listed = parsed(PodList, pods or {"items": ()}, f"pods of {name}").items
        result.append(deployment_of(name, live, listed, target.image))
    return Deployments(image=target.image, wanted=target.deployments, deployments=tuple(result))


@observation(of="kubernetes", deadline=seconds(10))
async def applied_manifest(statehub: StateHubClient) -> Deployments:
    """Activity-core's deployments, if any of them has a last-applied configuration."""
    result: Deployments = await deployments.function(statehub)
    there = [d for d in result.deployments if d.found]
    if there and all(d.drift is None for d in there):
        names = ", ".join(d.name for d in there)
        message = f"{names}: no last-applied-configuration annotation (kubectl apply); S-SCH-1 compares the definition itself"
        raise Unobservable(ErrorKind.NOT_PUBLISHED, message)
    return result


@observation(of="kubernetes", deadline=seconds(10))
async def sync_job(statehub: StateHubClient) -> SyncJob:
    """The job that syncs definitions; if it was removed, the definition that it wrote."""
    target = statehub.kubernetes.target
    document = await statehub.kubernetes.read(
        f"/apis/batch/v1/namespaces/{target.namespace}/jobs/{target.job}"
    )
    if document is None:
        left = definition_of(await statehub.activity.definitions(), promised(statehub))
        return SyncJob(name=target.job, state="absent", told="", definition=left)
    job = parsed(Job, document, f"job {target.job}")
    ended = {c.type: f"{c.reason} {c.message}".strip() for c in job.status.conditions if c.status == "True"}
    for kind in ("Failed", "Complete"):
        if kind in ended:
            return SyncJob(name=target.job, state=kind.lower(), told=ended[kind][:200], definition=None)
    return SyncJob(name=target.job, state="running", told=f"{job.status.active} pods active", definition=None)


@observation(of="kubernetes", deadline=seconds(10))
async def worker_route(statehub: StateHubClient) -> Route:
    """The worker's URL of State Hub, and the service behind it."""
    return await bridge_route.route(statehub.kubernetes)


@observation(of="bridge", deadline=seconds(10))
async def bridge_allowance(statehub: StateHubClient) -> Allowance:
    """The bridge's time limit for a request: from its configuration, or the longest sweep that passed."""
    missing = ["no time limit in the bridge's configuration"]
    if statehub.section.kubernetes is not None:
        try:
            if (configured := await bridge_route.configured_allowance(statehub.kubernetes)) is not None:
                return configured
        except SOURCE_ERRORS as trouble:
            missing.append(f"kubernetes: {classify(trouble)}")
    try:
        recent = await sweeps(statehub)
    except SOURCE_ERRORS as trouble:
        missing.append(f"api: {classify(trouble)}")
        raise Unobservable(ErrorKind.PRECONDITION, "; ".join(missing)) from None
    used = bridge_route.observed_allowance(recent.events, recent.source)
    return used.model_copy(update={"missing": tuple(missing)})

"""Criteria of activity-core in Kubernetes: deployments, sync job, the worker's route to State Hub, the bridge's time limit."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, by_reason, worst_first
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.statehub.kubernetes.models import Allowance, Deployment, Deployments, Drift, Route, SyncJob
    from systems.statehub.limits import StateHubLimits

__all__ = ["applied", "long_requests_pass", "one_image", "points_to_the_bridge", "synced"]

_WRONG = ("deployment-missing", "unavailable", "rollout-stalled", "image", "images-differ")
_OPEN = ("rollout-under-way", "image-unknown")
_ROUTE = ("not-set", "elsewhere", "no-service", "no-endpoints", "port")


def one_image(deployments: Deployments) -> Finding:
    """The deployments are available, and all run one build of the expected image."""
    troubles = [trouble for d in deployments.deployments for trouble in _of_deployment(d, deployments.image)]
    still = [d for d in deployments.deployments if not d.rolling]
    ids = sorted({i for d in still for i in d.image_ids})
    if len(ids) > 1:
        each = "; ".join(f"{d.name}: {', '.join(sorted(set(d.image_ids)))}" for d in still if d.image_ids)
        troubles.append(
            (
                "images-differ",
                f"{len(ids)} image IDs under one tag: {each}; restart the deployments with the old image",
            )
        )
    problems = by_reason(troubles, (*_WRONG, *_OPEN))
    texts = worst_first(problems)
    lost = _lost(deployments)
    names = ", ".join(deployments.wanted)
    return first_of(
        *(fail(reason, problems[reason]) for reason in _WRONG),
        *(unknown(reason, problems[reason]) for reason in _OPEN),
        unknown("no-deployment", not deployments.deployments),
        unknown("part-missing", lost),
        ok="one-image",
    ).finding(
        expected=f"{names} available, all with one image ID of {deployments.image}",
        observed=texts[0]
        if texts
        else f"{len(still)} deployments available, image ID {', '.join(ids) or 'unknown'}",
        details=(*texts[1:], *lost, *(pod for d in deployments.deployments for pod in d.pods)),
    )


def _lost(deployments: Deployments) -> list[str]:
    """Expected deployments that were not observed."""
    here = {d.name for d in deployments.deployments}
    return [f"{name}: not observed" for name in deployments.wanted if name not in here]


def _of_deployment(d: Deployment, image: str) -> list[tuple[str, str]]:
    """Problems of a deployment, known or possible. Two images at once are normal during a rollout."""
    if not d.found:
        return [("deployment-missing", f"deployment {d.name} does not exist")]
    troubles = []
    if d.rolling:
        troubles.append(("rollout-under-way", f"{d.name}: rollout in progress, {d.rolling}"))
    elif not d.available >= max(d.desired, 1):
        troubles.append(("unavailable", f"{d.name}: {d.available} of {d.desired} replicas available"))
    if d.stalled:
        troubles.append(("rollout-stalled", f"{d.name}: {d.stalled}"))
    if not any(i == image or i.endswith(f"/{image}") for i in d.images):
        troubles.append(("image", f"{d.name}: image {', '.join(d.images) or 'none'}, expected {image}"))
    elif not d.rolling and len(d.image_ids) < d.available:
        text = f"{d.name}: only {len(d.image_ids)} of {d.available} available replicas report an imageID"
        troubles.append(("image-unknown", text))
    return troubles


def synced(job: SyncJob, now: datetime, limits: StateHubLimits) -> Finding:
    """The sync job is complete; if it was removed, the definition that it wrote is not too old."""
    gone = job.state == "absent"
    left = job.definition if gone and job.definition and job.definition.found else None
    changed = left.changed if left else None
    age = now - changed if changed else timedelta(0)
    observed = f"job {job.name} {job.state} {job.told}".strip()
    if gone and left is None:
        observed = f"job {job.name} does not exist, and neither does the definition: the sync did not run"
    elif gone and changed is None:
        observed = (
            f"job {job.name} was removed, and the definition has no time of change (statehub.columns.changed)"
        )
    elif changed is not None:
        observed = (
            f"job {job.name} was removed; the definition was changed at {at(changed)}, {age.days} days ago"
        )
    return first_of(
        fail("job-failed", job.state not in ("complete", "running", "absent")),
        fail("not-synced", gone and left is None),
        fail("sync-old", not age <= timedelta(days=limits.sync_age.value)),
        unknown("still-running", job.state == "running"),
        unknown("age-missing", left and changed is None),
        unknown("clock-ahead", not age >= -limits.skew.duration),
        fine("synced", gone),
        ok="complete",
    ).finding(
        expected=f"job {job.name} complete, or removed and its definition changed at most {limits.sync_age} ago",
        observed=observed,
        limits=(limits.sync_age.named("sync_age"), limits.skew.named("skew")) if gone else (),
    )


def points_to_the_bridge(route: Route) -> Finding:
    """The worker's State Hub URL points to the bridge service, which has ready endpoints."""
    troubles = []
    host, port = route.address
    local = f"{route.service}.{route.namespace}"
    names = (route.service, local, f"{local}.svc", f"{local}.svc.cluster.local")
    if not route.url:
        troubles.append(("not-set", f"{route.variable} is not set in the worker"))
    elif host.rstrip(".") not in names:
        text = f"{route.variable} = {route.url} (from {route.origin}), expected service {route.service}"
        troubles.append(("elsewhere", text))
    if not route.exists:
        troubles.append(("no-service", f"service {route.service} does not exist"))
    else:
        if not route.ready:
            text = f"service {route.service} has no ready endpoint ({route.not_ready} not ready)"
            troubles.append(("no-endpoints", text))
        if route.url and port not in route.ports:
            text = f"service {route.service} has no port {port}; its ports: {', '.join(map(str, route.ports)) or 'none'}"
            troubles.append(("port", text))
    problems = by_reason(troubles, _ROUTE)
    texts = worst_first(problems)
    return first_of(*(fail(reason, problems[reason]) for reason in _ROUTE), ok="to-the-bridge").finding(
        expected=f"{route.variable} points to service {route.service}, which has ready endpoints",
        observed=texts[0] if texts else f"{route.url} (from {route.origin}), {route.ready} ready endpoints",
        details=tuple(texts[1:]),
    )


def applied(deployments: Deployments) -> Finding:
    """The live deployments equal their last-applied configuration."""
    there = [d for d in deployments.deployments if d.found]
    drift = [text for d in there if d.drift for text in _drifted(d.name, d.drift)]
    lost = _lost(deployments)
    bare = [f"{d.name}: nothing to compare" for d in there if d.drift and not d.drift.compared]
    silent = [
        f"{d.name}: no last-applied-configuration annotation (kubectl apply)"
        for d in there
        if d.drift is None
    ]
    rolling = [f"{d.name}: rollout in progress, {d.rolling}" for d in there if d.rolling]
    texts = [*drift, *rolling, *silent, *bare, *lost]
    return first_of(
        fail("drifted", drift),
        unknown("rollout-under-way", rolling),
        unknown("part-missing", silent or bare or lost),
        unknown("no-deployment", not there),
        ok="as-applied",
    ).finding(
        expected="image, replicas and env as in the last-applied configuration",
        observed=texts[0] if texts else f"{len(there)} deployments as applied",
        details=tuple(texts[1:]),
    )


def _drifted(name: str, drift: Drift) -> list[str]:
    """Differences between a deployment and its last-applied configuration."""
    if drift.differences or drift.same == drift.compared:
        return [f"{name}: {difference}" for difference in drift.differences]
    return [f"{name}: {drift.compared - drift.same} of {drift.compared} settings differ"]


def long_requests_pass(allowance: Allowance, limits: StateHubLimits) -> Finding:
    """A request that takes as long as a sweep may take passes the bridge."""
    needed, configured, longest = limits.sweep.value, allowance.configured_s, allowance.longest_s
    known = configured if configured is not None else longest
    return first_of(
        fail("too-short", configured is not None and not configured >= needed),
        unknown("not-shown", known is None or not known >= needed),
        ok="long-enough",
    ).finding(
        expected=f"requests of {limits.sweep} pass the bridge",
        observed=allowance.known_from if known is None else f"{known:g} s by {allowance.known_from}",
        details=allowance.missing,
        limits=(limits.sweep.named("sweep"),),
    )

"""What must hold of activity-core's deployments, their job, the worker's way to State Hub, and of the retired timer."""

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


def one_image(seen: Deployments) -> Finding:
    """The deployments are available, and all run one build of the expected image."""
    troubles = [trouble for d in seen.deployments for trouble in _of_deployment(d, seen.image)]
    still = [d for d in seen.deployments if not d.rolling]
    ids = sorted({i for d in still for i in d.image_ids})
    if len(ids) > 1:
        each = "; ".join(f"{d.name}: {', '.join(sorted(set(d.image_ids)))}" for d in still if d.image_ids)
        troubles.append(("images-differ", f"{len(ids)} builds of one name: {each}; restart what is old"))
    found = by_reason(troubles, (*_WRONG, *_OPEN))
    told = worst_first(found)
    lost = _lost(seen)
    names = ", ".join(seen.wanted)
    return first_of(
        *(fail(reason, found[reason]) for reason in _WRONG),
        *(unknown(reason, found[reason]) for reason in _OPEN),
        unknown("no-deployment", not seen.deployments),
        unknown("part-missing", lost),
        ok="one-image",
    ).finding(
        expected=f"{names} available, all on one build of {seen.image}",
        observed=told[0] if told else f"{len(still)} deployments available on {', '.join(ids) or 'nothing'}",
        details=(*told[1:], *lost, *(pod for d in seen.deployments for pod in d.pods)),
    )


def _lost(seen: Deployments) -> list[str]:
    """Deployments that should be there, of which nothing is here."""
    here = {d.name for d in seen.deployments}
    return [f"{name}: nothing is known of it" for name in seen.wanted if name not in here]


def _of_deployment(d: Deployment, image: str) -> list[tuple[str, str]]:
    """What is wrong with a deployment, or not known of it. While it is rolled out, two builds at once are none."""
    if not d.found:
        return [("deployment-missing", f"there is no deployment {d.name}")]
    troubles = []
    if d.rolling:
        troubles.append(("rollout-under-way", f"{d.name} is being rolled out: {d.rolling}"))
    elif not d.available >= max(d.desired, 1):
        troubles.append(("unavailable", f"{d.name}: {d.available} of {d.desired} replicas available"))
    if d.stalled:
        troubles.append(("rollout-stalled", f"{d.name}: {d.stalled}"))
    if not any(i == image or i.endswith(f"/{image}") for i in d.images):
        troubles.append(
            ("image", f"{d.name} is to run {', '.join(d.images) or 'nothing'}; should be {image}")
        )
    elif not d.rolling and len(d.image_ids) < d.available:
        told = f"{d.name}: {len(d.image_ids)} of {d.available} available replicas tell which build they run"
        troubles.append(("image-unknown", told))
    return troubles


def synced(job: SyncJob, now: datetime, limits: StateHubLimits) -> Finding:
    """The job has synced the definitions; where it is gone since, the definition that it left is young enough."""
    gone = job.state == "absent"
    left = job.definition if gone and job.definition and job.definition.found else None
    changed = left.changed if left else None
    age = now - changed if changed else timedelta(0)
    observed = f"{job.state} {job.told}".strip()
    if gone and left is None:
        observed = "the job is gone, and there is no definition: the sync did not run"
    elif gone and changed is None:
        observed = (
            "the job is gone, and the definition does not tell when it was synced (statehub.columns.changed)"
        )
    elif changed is not None:
        observed = f"the job is gone; the definition was synced at {at(changed)}, {age.days} days ago"
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
        expected=f"job {job.name} complete, or gone and its definition synced within {limits.sync_age}",
        observed=observed,
        limits=(limits.sync_age.named("sync_age"), limits.skew.named("skew")) if gone else (),
    )


def points_to_the_bridge(route: Route) -> Finding:
    """The worker's address of State Hub is the bridge service's, which has ready endpoints."""
    troubles = []
    host, port = route.address
    local = f"{route.service}.{route.namespace}"
    names = (route.service, local, f"{local}.svc", f"{local}.svc.cluster.local")
    if not route.url:
        troubles.append(("not-set", f"the worker has no {route.variable}"))
    elif host.rstrip(".") not in names:
        told = f"{route.variable} is {route.url} (from {route.origin}); should lead to {route.service}"
        troubles.append(("elsewhere", told))
    if not route.exists:
        troubles.append(("no-service", f"there is no service {route.service}"))
    else:
        if not route.ready:
            told = f"{route.service} has no ready endpoint ({route.not_ready} that are not)"
            troubles.append(("no-endpoints", told))
        if route.url and port not in route.ports:
            told = f"{route.service} has no port {port}, but {', '.join(map(str, route.ports)) or 'none'}"
            troubles.append(("port", told))
    found = by_reason(troubles, _ROUTE)
    words = worst_first(found)
    return first_of(*(fail(reason, found[reason]) for reason in _ROUTE), ok="to-the-bridge").finding(
        expected=f"{route.variable} leads to service {route.service}, which has ready endpoints",
        observed=words[0] if words else f"{route.url} (from {route.origin}), {route.ready} ready endpoints",
        details=tuple(words[1:]),
    )


def applied(seen: Deployments) -> Finding:
    """What runs is what the manifest said that was applied last."""
    there = [d for d in seen.deployments if d.found]
    drift = [words for d in there if d.drift for words in _drifted(d.name, d.drift)]
    lost = _lost(seen)
    bare = [f"{d.name}: nothing was compared" for d in there if d.drift and not d.drift.compared]
    silent = [f"{d.name}: no annotation of `kubectl apply`" for d in there if d.drift is None]
    rolling = [f"{d.name} is being rolled out: {d.rolling}" for d in there if d.rolling]
    words = [*drift, *rolling, *silent, *bare, *lost]
    return first_of(
        fail("drifted", drift),
        unknown("rollout-under-way", rolling),
        unknown("part-missing", silent or bare or lost),
        unknown("no-deployment", not there),
        ok="as-applied",
    ).finding(
        expected="image, replicas and variables as in the manifest that was applied last",
        observed=words[0] if words else f"{len(there)} deployments as applied",
        details=tuple(words[1:]),
    )


def _drifted(name: str, drift: Drift) -> list[str]:
    """Where a deployment is not as applied."""
    if drift.differences or drift.same == drift.compared:
        return [f"{name}: {told}" for told in drift.differences]
    return [f"{name}: {drift.compared - drift.same} of {drift.compared} settings differ"]


def long_requests_pass(seen: Allowance, limits: StateHubLimits) -> Finding:
    """A request as long as a sweep may be passes the bridge."""
    needed, configured, longest = limits.sweep.value, seen.configured_s, seen.longest_s
    known = configured if configured is not None else longest
    return first_of(
        fail("too-short", configured is not None and not configured >= needed),
        unknown("not-shown", known is None or not known >= needed),
        ok="long-enough",
    ).finding(
        expected=f"requests of {limits.sweep} pass the bridge",
        observed=seen.known_from if known is None else f"{known:g} s: {seen.known_from}",
        details=seen.missing,
        limits=(limits.sweep.named("sweep"),),
    )

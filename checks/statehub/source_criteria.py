"""What must hold of Temporal's schedule, of the cluster, the bridge, the workstation's timer, and of all their clocks."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from checks.statehub.words import at, signed
from fixtures.statehub.grid import at_or_after, at_or_before
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from fixtures.statehub.limits import StateHubLimits
    from fixtures.statehub.seen import Newest, Sweeps
    from fixtures.statehub.seen_sources import (
        Allowance,
        Clocks,
        Deployment,
        Deployments,
        Frontend,
        Route,
        Schedule,
        SyncJob,
        Timer,
    )
    from opsverify.observation import Observation

__all__ = [
    "applied",
    "clocks_agree",
    "fires",
    "long_requests_pass",
    "namespace_registered",
    "one_image",
    "points_to_the_bridge",
    "promised_schedule",
    "same_state_hub",
    "synced",
    "timer_off",
]

_SKIP = "skip"
_REGISTERED = "REGISTERED"


def _finding(
    troubles: list[tuple[str, str]],
    *,
    fine: str,
    expected: str,
    observed: str,
    details: tuple[str, ...] = (),
    limits: tuple[str, ...] = (),
) -> Finding:
    """One finding from what is wrong, worst first: reason and words of each."""
    return Finding(
        holds=not troubles,
        reason=troubles[0][0] if troubles else fine,
        expected=expected,
        observed=troubles[0][1] if troubles else observed,
        details=(*(told for _, told in troubles[1:]), *details),
        limits=limits,
    )


def namespace_registered(frontend: Frontend) -> Finding:
    """Temporal answers, and its namespace is in use."""
    well = frontend.state == _REGISTERED
    return Finding(
        holds=well,
        reason="registered" if well else "namespace",
        expected=f"namespace {frontend.namespace} registered",
        observed=f"{frontend.state.lower()}, server {frontend.version or 'without a version'}",
    )


def fires(seen: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """Temporal's newest action is younger than an interval, where it has a schedule of that age that is not paused."""
    schedule, allowed = seen.value, limits.interval.duration + limits.slack.duration
    oldest = seen.at - allowed
    due = (
        bool(schedule.found) and not schedule.paused and not (schedule.created and schedule.created > oldest)
    )
    last = schedule.last
    late = due and (last is None or last < oldest)
    missed = f"{schedule.missed} actions were missed because Temporal was down for too long"
    return Finding(
        holds=not late,
        reason="stuck" if late else "fires",
        expected=f"an action since {at(oldest)}" if due else "nothing: no action is due yet, or see S-SCH-2",
        observed=f"its last action is of {at(last)}" if last else "it has taken no action",
        details=(missed,) if schedule.missed else (),
        limits=(limits.interval.named("interval"), limits.slack.named("slack")),
    )


def promised_schedule(seen: Observation[Schedule], limits: StateHubLimits) -> Finding:
    """One schedule, not paused, whose next fire times are the grid's, and that skips what would overlap.

    Its cron text is not compared: Temporal normalises it.
    """
    schedule, count = seen.value, int(limits.fire_times.value)
    named = (limits.fire_times.named("fire_times"), limits.interval.named("interval"))
    expected = f"one schedule, not paused, its next {count} fire times on the grid of {limits.interval}, overlap {_SKIP}"
    if not schedule.found:
        there = f"there are: {', '.join(schedule.others)}" if schedule.others else "there is none at all"
        told = f"no schedule for definition {schedule.definition}"
        return _finding([("no-schedule", told)], fine="", expected=expected, observed="", details=(there,))
    troubles = []
    if schedule.paused:
        troubles.append(
            ("paused", f"{schedule.found[0]} is paused: {schedule.note or 'nobody wrote down why'}")
        )
    if len(schedule.found) > 1:
        told = f"{len(schedule.found)} schedules fire this definition: {', '.join(schedule.found)}"
        troubles.append(("ambiguous", told))
    if schedule.invalid:
        troubles.append(("invalid", f"Temporal cannot use it: {schedule.invalid}"))
    wrong = None if schedule.paused else _off_grid(schedule, seen, limits)
    if wrong is not None:
        troubles.append(wrong)
    if schedule.overlap != _SKIP:
        troubles.append(("overlap", f"overlap policy {schedule.overlap}; should be {_SKIP}"))
    coming = ", ".join(f"{moment:%H:%M:%S}" for moment in schedule.next[:count])
    return _finding(
        troubles,
        fine="as-promised",
        expected=expected,
        observed=f"{schedule.found[0]}: next {coming}, overlap {schedule.overlap}",
        details=(
            f"next fire times {coming or 'none'} (UTC), jitter {schedule.jitter.total_seconds():g} s",
            f"catch-up window {schedule.catchup}, note {schedule.note or 'none'}",
        ),
        limits=named,
    )


def _off_grid(
    schedule: Schedule, seen: Observation[Schedule], limits: StateHubLimits
) -> tuple[str, str] | None:
    """What is wrong with the next fire times, if anything: reason and words."""
    step, count = limits.interval.duration, int(limits.fire_times.value)
    coming = schedule.next[:count]
    if len(coming) < count:
        return "ends", f"only {len(coming)} more fire times: the schedule ends, or its actions are limited"
    crooked = [moment for moment in coming if at_or_before(moment, step) != moment]
    if crooked:
        return "off-grid", f"fires at {', '.join(map(at, crooked))}, which is not on the grid"
    # The server may have looked at its clock at any moment of our question, and its clock may be a little off.
    earliest = at_or_after(seen.at - seen.took - limits.skew.duration, step)
    latest = at_or_before(seen.at + limits.skew.duration, step) + step
    if not earliest <= coming[0] <= latest:
        return "off-grid", f"fires next at {at(coming[0])}; should be {at(earliest)}"
    holes = [b for a, b in pairwise(coming) if b - a != step]
    return ("off-grid", f"leaves out instants before {', '.join(map(at, holes))}") if holes else None


def one_image(seen: Deployments) -> Finding:
    """The deployments are available, and all run one build of the expected image."""
    troubles: list[tuple[str, str]] = []
    for d in seen.deployments:
        troubles += _of_deployment(d, seen.image)
    ids = sorted({i for d in seen.deployments for i in d.image_ids})
    if len(ids) > 1:
        each = "; ".join(f"{d.name}: {', '.join(d.image_ids)}" for d in seen.deployments if d.image_ids)
        troubles.append(("images-differ", f"{len(ids)} builds of one name: {each}; restart what is old"))
    order = (
        "deployment-missing",
        "unavailable",
        "rollout-stalled",
        "image",
        "images-differ",
        "image-unknown",
    )
    troubles.sort(key=lambda t: order.index(t[0]))
    names = ", ".join(d.name for d in seen.deployments)
    return _finding(
        troubles,
        fine="one-image",
        expected=f"{names} available, all on one build of {seen.image}",
        observed=f"{len(seen.deployments)} deployments available on {', '.join(ids)}",
        details=tuple(pod for d in seen.deployments for pod in d.pods),
    )


def _of_deployment(d: Deployment, image: str) -> list[tuple[str, str]]:
    if not d.found:
        return [("deployment-missing", f"there is no deployment {d.name}")]
    troubles = []
    if d.available < max(d.desired, 1):
        troubles.append(("unavailable", f"{d.name}: {d.available} of {d.desired} replicas available"))
    if d.stalled:
        troubles.append(("rollout-stalled", f"{d.name}: {d.stalled}"))
    if not any(i == image or i.endswith(f"/{image}") for i in d.images):
        troubles.append(
            ("image", f"{d.name} is to run {', '.join(d.images) or 'nothing'}; should be {image}")
        )
    elif d.available and not d.image_ids:
        troubles.append(("image-unknown", f"{d.name}: none of its pods tells which build it runs"))
    return troubles


def synced(job: SyncJob, now: datetime, limits: StateHubLimits) -> Finding:
    """The job has synced the definitions; where it is gone since, the definition that it left is young enough."""
    expected = f"job {job.name} complete, or gone and its definition synced within {limits.sync_age}"
    if job.state != "absent":
        well = job.state == "complete"
        return Finding(
            holds=well,
            reason="complete" if well else "job-failed",
            expected=expected,
            observed=f"{job.state} {job.told}".strip(),
        )
    left = job.definition
    if left is None or not left.found or left.changed is None:
        told = "the job is gone, and there is no definition: the sync did not run"
        return Finding(holds=False, reason="not-synced", expected=expected, observed=told)
    age = now - left.changed
    old = age > timedelta(days=limits.sync_age.value)
    return Finding(
        holds=not old,
        reason="sync-old" if old else "synced",
        expected=expected,
        observed=f"the job is gone; the definition was synced at {at(left.changed)}, {age.days} days ago",
        limits=(limits.sync_age.named("sync_age"),),
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
    return _finding(
        troubles,
        fine="to-the-bridge",
        expected=f"{route.variable} leads to service {route.service}, which has ready endpoints",
        observed=f"{route.url} (from {route.origin}), {route.ready} ready endpoints",
    )


def applied(seen: Deployments) -> Finding:
    """What runs is what the manifest said that was applied last."""
    troubles = [("drifted", f"{d.name}: {told}") for d in seen.deployments for told in d.drift or ()]
    return _finding(
        troubles,
        fine="as-applied",
        expected="image, replicas and variables as in the manifest that was applied last",
        observed=f"{sum(d.drift is not None for d in seen.deployments)} deployments as applied",
    )


def same_state_hub(bridged: Newest, direct: Observation[Sweeps], limits: StateHubLimits) -> Finding:
    """The bridge leads to the State Hub that answers directly: its newest events are known there, but those that were
    recorded during the looks.
    """
    known = {e.id for e in direct.value.events}
    looked = direct.at - direct.took - limits.skew.duration
    strange = [(name, moment) for name, moment in bridged.events if name not in known and moment < looked]
    return Finding(
        holds=not strange,
        reason="another-state-hub" if strange else "same",
        expected="through the bridge the events of this State Hub",
        observed=f"{len(strange)} of {len(bridged.events)} newest events are not known directly"
        if strange
        else f"{len(bridged.events)} newest events, all known directly",
        details=tuple(f"{name} of {at(moment)}" for name, moment in strange),
        limits=(limits.skew.named("skew"),),
    )


def long_requests_pass(seen: Allowance, limits: StateHubLimits) -> Finding:
    """A request as long as a sweep may be passes the bridge."""
    enough = seen.seconds >= limits.sweep.value
    return Finding(
        holds=enough,
        reason="long-enough" if enough else "too-short",
        expected=f"requests of {limits.sweep} pass the bridge",
        observed=f"{seen.seconds:g} s: {seen.known_from}",
        limits=(limits.sweep.named("sweep"),),
    )


def timer_off(timer: Timer) -> Finding:
    """The retired timer is neither enabled nor active, wherever its unit may be."""
    troubles = []
    for unit in timer.units:
        where = f"{timer.name} ({unit.scope}) on {timer.host}"
        if unit.active:
            troubles.append(("active", f"{where} is {unit.active_word}: it sweeps beside the cluster"))
        if unit.enabled:
            troubles.append(("enabled", f"{where} is {unit.enabled_word}: it starts again with the machine"))
    said = "; ".join(f"{u.scope}: {u.enabled_word}, {u.active_word}" for u in timer.units)
    return _finding(
        troubles,
        fine="off",
        expected=f"{timer.name} disabled and inactive: the cluster is the only scheduler",
        observed=said,
        details=(said,),
    )


def clocks_agree(clocks: Clocks, limits: StateHubLimits) -> Finding:
    """No two clocks, ours among them, are further apart than allowed."""
    ours = [("ours", timedelta(0)), *clocks.ahead]
    fastest, slowest = max(ours, key=lambda c: c[1]), min(ours, key=lambda c: c[1])
    apart = fastest[1] - slowest[1]
    off = apart > limits.skew.duration
    shown = ", ".join(f"{name} {signed(ahead)}" for name, ahead in clocks.ahead)
    return Finding(
        holds=not off,
        reason="clock-skew" if off else "agree",
        expected=f"all clocks within {limits.skew} of each other",
        observed=f"{fastest[0]} is {apart.total_seconds():.3f} s ahead of {slowest[0]}" if off else shown,
        details=(f"against ours: {shown}", *clocks.unmeasured),
        limits=(limits.skew.named("skew"),),
    )

"""Criteria of the services: nodes, replicas, images, updates in progress, safe update settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown
from systems.bzzz.services.models import FAILED, same_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.services.models import RunningServices, ServiceSeen, ServiceSettings, UpdateSettings

__all__ = ["as_they_should", "safe_settings"]

TROUBLES = (
    "no-quorum",
    "node-not-ready",
    "service-missing",
    "restart-loop",
    "scaled-to-zero",
    "tasks-missing",
    "update-paused",
    "rolled-back",
    "other-scale",
    "other-image",
    "mixed-images",
)
UNDER_WAY = frozenset({"updating", "rollback_started"})


def as_they_should(services: RunningServices, limits: BzzzLimits) -> Finding:
    """Every service runs its expected replicas of its expected image, and none restarts in a loop."""
    loops = {s.name: _failing(s, services.at, limits) for s in services.services}
    troubles = sorted(_troubles(services, loops), key=lambda t: TROUBLES.index(t[0]))
    reasons = {reason for reason, _ in troubles}
    updating = [
        f"{s.name}: {s.update_message or s.update_state}"
        for s in services.services
        if s.update_state in UNDER_WAY
    ]
    unexpected = [s.name for s in services.services if s.name not in services.expected]
    imageless = [
        s.name
        for s in services.services
        if s.running and s.name in services.expected and not services.expected[s.name].image
    ]
    undigested = list(_undigested(services))
    judged = first_of(
        *(fail(reason, reason in reasons) for reason in TROUBLES),
        unknown("updating", updating),
        unknown("no-expectation", unexpected or imageless),
        unknown("no-digest", undigested),
        unknown("no-service", not services.services),
        unknown(
            "part-missing",
            len(services.services) < services.services_listed or len(services.nodes) < services.nodes_listed,
        ),
        ok="as-expected",
    )
    running = ", ".join(f"{s.name} {len(s.running)}/{s.desired}" for s in services.services)
    observed = {
        "updating": f"an update is in progress: {'; '.join(updating)}",
        "no-expectation": f'no expected replicas or image for {", ".join((*unexpected, *imageless))}; add [bzzz.services.expected."{(*unexpected, *imageless, "")[0]}"] with replicas and image, or record the current ones: --act bzzz.accept_services',
        "no-digest": f"an image digest is expected, but the manager reports none for {', '.join(undigested)}",
        "no-service": "the manager lists no service",
        "part-missing": f"only {len(services.services)} of {services.services_listed} services and {len(services.nodes)} of {services.nodes_listed} nodes were returned",
        "as-expected": f"{running}; {len(services.nodes)} nodes ready",
    }
    return judged.finding(
        expected=f"each service with the replicas and image that {services.known_from} names, every node ready, no restart loop",
        observed=observed.get(judged.reason) or "; ".join(message for _, message in troubles),
        details=(
            *(
                f"log of {name}: {line}"
                for name in loops
                if loops[name]
                for line in services.logs.get(name, ())
            ),
            *(
                f"node {n.name}: availability {n.availability}"
                for n in services.nodes
                if n.availability != "active"
            ),
            *(f"no expected image for {name}" for name, each in services.expected.items() if not each.image),
            *(f"first sample: {sample}" for sample in services.looked),
        ),
        limits=(
            limits.task_failures.named("task_failures"),
            limits.failure_window.named("failure_window"),
        ),
    )


def _failing(service: ServiceSeen, now: datetime, limits: BzzzLimits) -> list[str]:
    """The slots of a service whose tasks keep failing, with their exit codes, newest first."""
    slots: dict[tuple[int, str], list[str]] = {}
    for task in service.tasks:
        if task.state in FAILED and now - task.since <= limits.failure_window.duration:
            code = "no exit code" if task.exit_code is None else f"exit {task.exit_code}"
            slots.setdefault((task.slot, task.node), []).append(code)
    return [
        f"{service.name}.{slot} on {node} failed {len(codes)} times ({', '.join(codes)})"
        for (slot, node), codes in slots.items()
        if len(codes) >= limits.task_failures.value
    ]


def _undigested(services: RunningServices) -> Iterator[str]:
    """Tasks whose image the manager reports without the digest that is expected."""
    for service in services.services:
        expected = services.expected.get(service.name)
        if expected is not None and "@" in (expected.image or ""):
            yield from (f"{service.name}.{t.slot}: {t.image}" for t in service.running if "@" not in t.image)


def _troubles(services: RunningServices, loops: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """All that is certainly wrong: reason code and message."""
    yield from _of_the_swarm(services)
    present = {service.name for service in services.services}
    for name in sorted({*services.required, *services.expected} - present):
        if name in services.required or services.expected[name].replicas:
            yield "service-missing", f"service {name} does not exist"
    for service in services.services:
        if loops[service.name]:
            yield "restart-loop", "; ".join(loops[service.name])
        yield from _of_updates(service)
        if service.update_state not in UNDER_WAY:  # while it updates, tasks and images change
            yield from _of_tasks(service, services)


def _of_the_swarm(services: RunningServices) -> Iterator[tuple[str, str]]:
    managers = [n for n in services.nodes if n.manager]
    reachable = [n for n in managers if n.manager == "reachable"]
    if len(reachable) * 2 <= len(managers) or not any(n.leader for n in managers):
        leader = next((n.name for n in managers if n.leader), "none")
        yield "no-quorum", f"{len(reachable)} of {len(managers)} managers reachable, leader {leader}"
    for node in services.nodes:
        if node.state != "ready":
            yield "node-not-ready", f"node {node.name} is {node.state}"


def _of_updates(service: ServiceSeen) -> Iterator[tuple[str, str]]:
    name, state, message = service.name, service.update_state, service.update_message
    if state in {"paused", "rollback_paused"}:
        yield "update-paused", f"{name}: update {state}: {message}"
    if state == "rollback_completed":
        yield "rolled-back", f"{name}: the last update was rolled back: {message}"


def _of_tasks(service: ServiceSeen, services: RunningServices) -> Iterator[tuple[str, str]]:
    name, expected = service.name, services.expected.get(service.name)
    if service.desired == 0 and (expected is None or expected.replicas):
        yield "scaled-to-zero", f"{name} is scaled to 0"
    wanted = service.desired if expected is None else expected.replicas
    if service.desired != wanted and service.desired:
        yield (
            "other-scale",
            f"{name} is scaled to {service.desired}, expected {wanted} ({services.known_from})",
        )
    if len(service.running) != service.desired:
        states = ", ".join(
            f"{t.slot} {t.state}{f': {t.error}' if t.error else ''}" for t in service.tasks[:4]
        )
        message = f"{name} runs {len(service.running)} of {service.desired} tasks ({states or 'no task'})"
        yield "tasks-missing", message
    for task in service.running:
        if expected is not None and expected.image and same_image(task.image, expected.image) is False:
            message = f"{name}.{task.slot} on {task.node} runs {task.image}, expected {expected.image} ({services.known_from})"
            yield "other-image", message
    images = sorted({t.image for t in service.running})
    if len(images) > 1:
        yield "mixed-images", f"{name} runs {' and '.join(images)}"


def safe_settings(settings: ServiceSettings, limits: BzzzLimits) -> Finding:
    """Each service updates task by task with a delay, rolls back by itself, and has memory and CPU limits."""
    services = settings.services
    judged = {service.name: list(_unsafe(service, limits)) for service in services}
    unsafe = {name: whys for name, whys in judged.items() if whys}
    kinds = {reason for whys in unsafe.values() for reason, _ in whys}
    return first_of(
        fail("unsafe-update", "unsafe-update" in kinds),
        fail("no-limits", "no-limits" in kinds),
        unknown("no-service", not services),
        unknown("part-missing", len(services) < settings.listed),
        ok="safe",
    ).finding(
        expected=f"update parallelism at least 1 and below the replicas, delay at least {limits.update_delay}, failure action rollback, memory and CPU limits",
        observed="; ".join(f"{n}: {', '.join(why for _, why in whys)}" for n, whys in unsafe.items())
        or (
            f"{len(services)} of {settings.listed} services are safe to update"
            if services
            else "the manager lists no service"
        ),
        details=tuple(_settings_line(service) for service in services if service.name in unsafe),
        limits=(limits.update_delay.named("update_delay"),),
    )


def _unsafe(service: ServiceSeen, limits: BzzzLimits) -> Iterator[tuple[str, str]]:
    for what, settings in (("update", service.update), ("rollback", service.rollback)):
        if settings is None:
            yield "unsafe-update", f"no {what} config, so a failed {what} pauses"
            continue
        if service.desired > 1 and not 0 < settings.parallelism < service.desired:
            parallelism = "0 (all at once)" if settings.parallelism == 0 else f"{settings.parallelism}"
            yield "unsafe-update", f"{what} parallelism {parallelism} for {service.desired} replicas"
        if what == "update" and service.desired > 1 and not settings.delay_s >= limits.update_delay.value:
            yield "unsafe-update", f"update delay only {settings.delay_s:g} s"
        if what == "update" and settings.failure_action != "rollback":
            yield "unsafe-update", f"update failure action {settings.failure_action}"
    lacking = [
        w for w, limit in (("memory", service.memory_limit), ("CPU", service.cpu_limit)) if not limit > 0
    ]
    if lacking:
        yield "no-limits", f"no {' and no '.join(lacking)} limit"


def _settings_line(service: ServiceSeen) -> str:
    memory = f"{service.memory_limit / 2**20:.0f} MiB" if service.memory_limit else "no memory limit"
    cpu = f"{service.cpu_limit:g} CPUs" if service.cpu_limit else "no CPU limit"
    return f"{service.name}: update {_settings(service.update)}; rollback {_settings(service.rollback)}; {memory}, {cpu}"


def _settings(settings: UpdateSettings | None) -> str:
    if settings is None:
        return "not set"
    return f"{settings.parallelism} at once, {settings.delay_s:g} s apart, then {settings.failure_action}"

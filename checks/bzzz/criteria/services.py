"""What must hold of the services that a manager runs: pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.running import RunningServices
    from fixtures.bzzz.seen.services import ServiceSeen, UpdateSettings

__all__ = ["as_they_should", "safe_settings"]

_ORDER = (
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


def as_they_should(seen: RunningServices, limits: BzzzLimits) -> Finding:
    """Every service runs the tasks that it should, of the image that it should, and none in a loop."""
    troubles = sorted(seen.troubles(), key=lambda t: _ORDER.index(t.reason))
    running = ", ".join(f"{s.name} {len(s.running)}/{s.desired}" for s in seen.services)
    without = [n for n, e in seen.expected.items() if not e.image]
    logs = [f"log of {name}: {line}" for name, lines in seen.logs.items() for line in lines]
    resting = [
        f"node {n.name}: availability {n.availability}" for n in seen.nodes if n.availability != "active"
    ]
    return Finding(
        holds=not troubles,
        reason=troubles[0].reason if troubles else "as-expected",
        expected=f"each service with the tasks and the image that {seen.known_from} names, every node ready, none in a restart loop",
        observed="; ".join(t.told for t in troubles) or f"{running}; {len(seen.nodes)} nodes ready",
        details=(
            *logs,
            *resting,
            *(f"no image is expected of {name}" for name in without),
            *(f"at the first look: {look}" for look in seen.looked),
        ),
        limits=(
            limits.task_failures.named("task_failures"),
            limits.failure_window.named("failure_window"),
        ),
    )


def safe_settings(services: tuple[ServiceSeen, ...], limits: BzzzLimits) -> Finding:
    """Each service is updated task by task, with a pause, rolls back by itself, and has limits."""
    found = {service.name: list(_unsafe(service, limits)) for service in services}
    unsafe = {name: whys for name, whys in found.items() if whys}
    kinds = {reason for whys in unsafe.values() for reason, _ in whys}
    return Finding(
        holds=not unsafe,
        reason="no-limits" if kinds == {"no-limits"} else "unsafe-update" if unsafe else "safe",
        expected=f"parallelism 1 or more and below the replicas, at least {limits.update_delay} between tasks, failure action rollback, a limit of memory and of CPU",
        observed="; ".join(f"{n}: {', '.join(told for _, told in whys)}" for n, whys in unsafe.items())
        or f"{len(services)} services are safe to update",
        details=tuple(_told(service) for service in services if service.name in unsafe),
        limits=(limits.update_delay.named("update_delay"),),
    )


def _unsafe(service: ServiceSeen, limits: BzzzLimits) -> Iterator[tuple[str, str]]:
    for what, settings in (("update", service.update), ("rollback", service.rollback)):
        if settings is None:
            yield "unsafe-update", f"no {what} settings, so a failed {what} stands still"
            continue
        if service.desired > 1 and not 0 < settings.parallelism < service.desired:
            told = "all at once" if settings.parallelism == 0 else f"{settings.parallelism} at once"
            yield "unsafe-update", f"{what} replaces {told} of {service.desired}"
        if what == "update" and service.desired > 1 and settings.delay_s < limits.update_delay.value:
            yield "unsafe-update", f"only {settings.delay_s:g} s between tasks"
        if what == "update" and settings.failure_action != "rollback":
            yield "unsafe-update", f"a failed update will {settings.failure_action}"
    lacking = [w for w, limit in (("memory", service.memory_limit), ("CPU", service.cpu_limit)) if not limit]
    if lacking:
        yield "no-limits", f"no limit of {' and '.join(lacking)}"


def _told(service: ServiceSeen) -> str:
    memory = f"{service.memory_limit / 2**20:.0f} MiB" if service.memory_limit else "no memory limit"
    cpu = f"{service.cpu_limit:g} CPUs" if service.cpu_limit else "no CPU limit"
    return f"{service.name}: update {_settings(service.update)}; rollback {_settings(service.rollback)}; {memory}, {cpu}"


def _settings(settings: UpdateSettings | None) -> str:
    if settings is None:
        return "not set"
    return f"{settings.parallelism} at once, {settings.delay_s:g} s apart, then {settings.failure_action}"

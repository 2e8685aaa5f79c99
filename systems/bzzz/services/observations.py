"""Observations of the services: their image, their tasks, their settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.model.text import bounded_text
from systems.bzzz.client import BzzzClient
from systems.bzzz.services.baseline import read_accepted
from systems.bzzz.services.models import (
    FAILED,
    AgentImage,
    RunningServices,
    ServiceSeen,
    ServiceSettings,
    same_image,
)
from systems.bzzz.services.target import ExpectedService, ServicesTarget

__all__ = ["agent_image", "running_services", "service_settings"]

_LOG_LINES = 5
_LOG_LEAST = timedelta(minutes=1)
_LINE = 300


def _target(bzzz: BzzzClient) -> ServicesTarget:
    if bzzz.section.services is None:
        raise Unobservable(
            ErrorKind.PRECONDITION, "the target configures no services; add [bzzz.services] manager"
        )
    return bzzz.section.services


@observation(of="services", deadline=seconds(10), identity=True, called="agent")
async def agent_image(bzzz: BzzzClient) -> AgentImage:
    """The image of the agents' tasks, seen first and again last."""
    agent = _target(bzzz).agent
    service = next((s for s in await bzzz.services.services() if s.name == agent), None)
    images = sorted({task.image for task in service.running}) if service else []
    if not images:
        raise Unobservable(ErrorKind.EMPTY, f"no task of {agent} runs")
    words = [word for image in images for word in (image, *image.partition("@")[::2])]
    return AgentImage(identity=" ".join(dict.fromkeys(filter(None, words))))


@observation(of="services", deadline=seconds(20))
async def running_services(bzzz: BzzzClient) -> RunningServices:
    """Every service with its tasks, the manager's nodes, and what is expected of them; looked at again where anything is
    not as it is wanted.
    """
    seen = await _look(bzzz, ())
    if unlike := _unlike(seen):
        await asyncio.sleep(bzzz.section.limits.services_confirm.value)
        seen = await _look(bzzz, (f"{seen.at:%H:%M:%S}Z {bounded_text('; '.join(unlike))}",))
    failed = {s.name: _failed(s) for s in seen.services if _failed(s)}
    return seen.model_copy(update={"logs": await _logs(bzzz, seen.at, failed)}) if failed else seen


def _unlike(seen: RunningServices) -> list[str]:
    """What is not as the manager, or who says what is expected, wants it at this moment; nothing is judged by it."""
    present = {service.name for service in seen.services}
    wanted = {*seen.required, *(name for name, each in seen.expected.items() if each.replicas)}
    return [
        *(f"node {n.name} is {n.state}" for n in seen.nodes if n.state != "ready"),
        *(f"manager {n.name} is {n.manager}" for n in seen.nodes if n.manager not in {"", "reachable"}),
        *([] if any(node.leader for node in seen.nodes) else ["no manager leads"]),
        *(f"there is no service {name}" for name in sorted(wanted - present)),
        *(each for service in seen.services for each in _unlike_service(service, seen.expected)),
    ]


def _unlike_service(service: ServiceSeen, expected: dict[str, ExpectedService]) -> Iterator[str]:
    name, running, wanted = service.name, service.running, expected.get(service.name)
    if len(running) != service.desired:
        yield f"{name} runs {len(running)} of {service.desired} tasks"
    if service.desired != (wanted.replicas if wanted else max(1, service.desired)):
        yield f"{name} is scaled to {service.desired}"
    if service.update_state not in {"", "completed"}:
        yield f"{name}: {service.update_state}: {service.update_message}"
    images = sorted({task.image for task in running})
    if len(images) > 1 or (wanted and wanted.image and any(not same_image(i, wanted.image) for i in images)):
        yield f"{name} runs {' and '.join(images)}"


def _failed(service: ServiceSeen) -> list[datetime]:
    """When its tasks failed, as far back as the manager keeps them."""
    return [task.since for task in service.tasks if task.state in FAILED]


async def _look(bzzz: BzzzClient, before: tuple[str, ...]) -> RunningServices:
    target = _target(bzzz)
    services, nodes = await asyncio.gather(bzzz.services.services(), bzzz.services.nodes())
    if not nodes:
        raise Unobservable(ErrorKind.EMPTY, "the manager tells of no node at all")
    expected, known_from = dict(target.expected), "the target"
    if accepted := read_accepted(target):
        imaged = {n: e if e.image else _imaged(e, accepted.services.get(n)) for n, e in expected.items()}
        expected = {**accepted.services, **imaged}
        known_from = f"the target, or what was accepted at {accepted.at:%Y-%m-%d %H:%MZ}"
    bootstraps = [target.bootstrap(n) for n, node in bzzz.section.nodes.items() if node.bootstrap]
    return RunningServices(
        at=datetime.now(UTC),
        services=tuple(map(_without_values, services)),
        services_listed=len(services),
        nodes=nodes,
        nodes_listed=len(nodes),
        expected=expected,
        known_from=known_from,
        required=() if expected else (target.agent, target.postgres, *bootstraps),
        looked=before,
    )


def _imaged(expected: ExpectedService, accepted: ExpectedService | None) -> ExpectedService:
    """What the target expects, with the image that was accepted."""
    return expected.model_copy(update={"image": accepted.image if accepted else None})


async def _logs(
    bzzz: BzzzClient, at: datetime, failed: dict[str, list[datetime]]
) -> dict[str, tuple[str, ...]]:
    """The last lines of each since its first failure; what cannot be read says so."""

    async def last(service: str) -> tuple[str, ...]:
        since = max(at - min(failed[service]), _LOG_LEAST)
        try:
            lines = await bzzz.services.logs(service, since=since, most=_LOG_LINES)
        except Unobservable as error:
            return (f"(its log cannot be read: {error})",)
        return tuple(bounded_text(line, _LINE) for line in lines)

    return dict(zip(failed, await asyncio.gather(*map(last, failed)), strict=True))


@observation(of="services", deadline=seconds(10))
async def service_settings(bzzz: BzzzClient) -> ServiceSettings:
    """Every service as it is specified; the values of its environment are left out."""
    services = await bzzz.services.services()
    if not services:
        raise Unobservable(
            ErrorKind.EMPTY, f"there is no service whose name begins with {_target(bzzz).prefix!r}"
        )
    return ServiceSettings(services=tuple(map(_without_values, services)), listed=len(services))


def _without_values(service: ServiceSeen) -> ServiceSeen:
    """The service without what its environment's variables are set to: nothing of it belongs into evidence."""
    return service.model_copy(update={"environment": dict.fromkeys(service.environment, "…")})

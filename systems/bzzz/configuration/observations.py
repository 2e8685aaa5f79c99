"""Observations of the services' configuration, and of the network between them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from opsverify.model.text import bounded_text
from systems.bzzz.client import BzzzClient
from systems.bzzz.configuration.models import Configuration, Given, Networks, Reachability, Variable
from systems.bzzz.services.models import ServiceSeen

__all__ = ["configuration", "postgres_from_inside", "service_networks", "variable"]

_LOGIN = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_LEVEL_NAME = re.compile(r"(^|_)LOG_?LEVEL$", re.IGNORECASE)
_LEVEL_WORD = re.compile(r"[A-Za-z]{1,12}")
_IN_CONFIG = re.compile(rb"""\blog_?level["']?\s*[:=]\s*["']?([A-Za-z]{1,12})""", re.IGNORECASE)


def variable(name: str, value: str) -> Variable:
    """A variable without its value."""
    if _LEVEL_NAME.search(name) and _LEVEL_WORD.fullmatch(value.strip()):
        return Variable(name=bounded_text(name, 100), holds="text", level=value.strip().lower())
    holds = "text"
    if not value:
        holds = "empty"
    elif _LOGIN.search(value):
        holds = "login"
    elif value.startswith("/"):
        holds = "file"
    return Variable(name=bounded_text(name, 100), holds=holds, level="")


def _given(service: ServiceSeen) -> Given:
    return Given(
        service=service.name,
        secrets=tuple(sorted(set(service.secrets.values()))),
        configs=tuple(sorted(set(service.configs.values()))),
        environment=tuple(variable(*each) for each in sorted(service.environment.items())),
        variables=len(service.environment),
    )


@observation(of="services", deadline=seconds(10))
async def configuration(bzzz: BzzzClient) -> Configuration:
    """The configuration of each service, and the secrets and configs that exist."""
    manager = bzzz.services
    services, secrets, configs = await asyncio.gather(
        manager.services(), manager.secrets(), manager.configs()
    )
    given = tuple(map(_given, services))
    if not any(each.secrets or each.configs for each in given):
        message = f"none of {len(given)} services uses a secret or a config; check [bzzz.services] prefix"
        raise Unobservable(ErrorKind.EMPTY, message)
    matches = {name: _IN_CONFIG.search(payload) for name, payload in configs.items()}
    return Configuration(
        services=given,
        listed=len(services),
        secrets=secrets,
        configs=tuple(sorted(configs)),
        levels={name: level[1].decode().lower() for name, level in matches.items() if level},
    )


@observation(of="services", deadline=seconds(10))
async def service_networks(bzzz: BzzzClient) -> Networks:
    """The services' networks, which services are attached, and which should be."""
    target, nodes = bzzz.section.services, bzzz.section.nodes.items()
    services, networks = await bzzz.services.services(), await bzzz.services.networks()
    if target is None or not (networks or services):
        raise Unobservable(ErrorKind.EMPTY, "the manager lists no service and no network")
    bootstraps = [target.bootstrap(name) for name, node in nodes if node.bootstrap]
    return Networks(
        network=target.network,
        expected=(target.agent, target.postgres, *bootstraps),
        specified=tuple(each.name for each in services if target.network in each.networks),
        networks=networks,
    )


@observation(of="services", deadline=seconds(30), active="reach_postgres")
async def postgres_from_inside(
    bzzz: BzzzClient, reach_postgres: Callable[[], Awaitable[Reachability]]
) -> Reachability:
    """Whether PostgreSQL answers from inside an agent's task, by its name on the network."""
    del bzzz
    return await reach_postgres()

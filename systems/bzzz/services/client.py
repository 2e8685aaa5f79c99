"""Client and operator of the services' manager: what can be read from it, and what it can be told to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from opsverify.model.observation import ErrorKind, Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from systems.bzzz.services.models import NetworkSeen, ServiceSeen, SwarmNode, TaskUse
    from systems.bzzz.services.target import ServicesTarget

__all__ = [
    "NotEnded",
    "Ran",
    "ServiceFailed",
    "ServicesClient",
    "ServicesOperator",
    "open_services",
    "operate_services",
]


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that was run inside a task: its exit status, and what it wrote (bounded)."""

    status: int
    output: str


class ServicesClient(Protocol):
    """Reads a service manager. Everything that cannot be read raises Unobservable."""

    async def services(self) -> tuple[ServiceSeen, ...]:
        """Every service whose name begins with the target's prefix."""

    async def nodes(self) -> tuple[SwarmNode, ...]:
        """The manager's nodes."""

    async def networks(self) -> tuple[NetworkSeen, ...]:
        """The networks of these services."""

    async def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that exist; no manager tells their payload."""

    async def configs(self) -> dict[str, bytes]:
        """The configs that exist, by name, with their payload."""

    async def uses(self) -> tuple[TaskUse, ...]:
        """What each running task uses now."""

    async def logs(self, service: str, *, since: timedelta, most: int) -> tuple[str, ...]:
        """The newest lines that a service wrote, oldest first."""


class ServicesOperator(Protocol):
    """Acts on a service manager: the runbook's `docker service …`, `docker exec …`. Each returns what came of it.

    Raises:
        ServiceFailed: the manager refused, or what was asked did not come about within its deadline.
    """

    async def restart(self, service: str) -> str:
        """`docker service update --force`: every task anew; returns when they run."""

    async def scale(self, service: str, replicas: int) -> str:
        """Another number of tasks; returns when so many run."""

    async def update(self, service: str, *, image: str) -> str:
        """Another image, task by task, by the service's own update settings; returns when the update has ended, also
        when it was rolled back (`ServiceSeen.update_state` tells).
        """

    async def replace_secret(self, service: str, *, old: str, new: str, payload: bytes) -> str:
        """Make the secret `new`, and give it to the service in the place (under the same name inside) of `old`."""

    async def replace_config(self, service: str, *, old: str, new: str, payload: bytes | None) -> str:
        """The same with a config."""

    async def run(self, service: str, command: Sequence[str], *, within: timedelta, node: str = "") -> Ran:
        """Run a command inside a running task of the service (`docker exec`), of the one on `node` where it is named."""

    async def disconnect(self, service: str, network: str) -> str:
        """Cut the tasks of a service off a network."""

    async def connect(self, service: str, network: str) -> str:
        """Connect them again."""


class ServiceFailed(Exception):
    """A service manager refused, or what was asked did not come about. The message says what was last seen."""


class NotEnded(ServiceFailed):
    """A command inside a task has not ended in time, and may go on there."""


class _None:
    """The client of a target that names no manager: nothing can be read."""

    def __getattr__(self, _name: str) -> NoReturn:
        raise Unobservable(
            ErrorKind.PRECONDITION, "the target configures no services; add [bzzz.services] manager"
        )


def open_services(target: ServicesTarget | None) -> ServicesClient:
    """The client of the target's manager; nothing is sent before it is asked for."""
    if target is None:
        return cast("ServicesClient", _None())
    from systems.bzzz.services.swarm import SwarmClient  # noqa: PLC0415 -- only what is asked for is loaded

    return SwarmClient(target)


def operate_services(target: ServicesTarget) -> ServicesOperator:
    """The operator of the target's manager."""
    from systems.bzzz.services.swarm_operator import SwarmOperator  # noqa: PLC0415

    return SwarmOperator(target)

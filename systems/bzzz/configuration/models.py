"""Models of the services' configuration: secrets, configs, environments, networks, and reachability from inside a task."""

from __future__ import annotations

from opsverify.model.observation import Observed
from systems.bzzz.services.models import NetworkSeen

__all__ = ["Configuration", "Given", "Networks", "Reachability", "Variable"]


class Variable(Observed):
    """An environment variable. Its value may be secret and is never kept, except a log level.

    `holds` is the kind of value: empty, file (a path), login (a URL with a password in it), text.
    """

    name: str
    holds: str
    level: str


class Given(Observed):
    """The configuration of a service: names of its secrets and configs, and its environment, of so many variables."""

    service: str
    secrets: tuple[str, ...]
    configs: tuple[str, ...]
    environment: tuple[Variable, ...]
    variables: int


class Configuration(Observed):
    """The configuration of each service, of so many that the manager has `listed`, and the secrets and configs that exist.
    `levels` are the log levels set in configs.
    """

    services: tuple[Given, ...]
    listed: int
    secrets: tuple[str, ...]
    configs: tuple[str, ...]
    levels: dict[str, str]


class Networks(Observed):
    """The services' networks; `expected` are the services that should be on the one named `network`, `specified` those that
    are to be on it by their own specification.
    """

    network: str
    expected: tuple[str, ...]
    specified: tuple[str, ...]
    networks: tuple[NetworkSeen, ...]


class Reachability(Observed):
    """An attempt to reach PostgreSQL from inside a task: by its name on the network, and where that failed by its tasks.

    Statuses are the command's, 124 where it did not end in time; None where the second attempt was not made.
    """

    service: str
    command: str
    name: str
    status: int
    output: str
    tasks: str
    tasks_status: int | None = None
    tasks_output: str = ""

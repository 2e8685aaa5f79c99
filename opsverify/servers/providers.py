"""Redis, PostgreSQL, Prometheus and Alertmanager as their consumers know them, from whichever provider; and the one place that chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from opsverify.servers.server import Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from opsverify.servers.alertmanager import AlertmanagerConfig
    from opsverify.servers.guard import Guard
    from opsverify.servers.prometheus import PrometheusConfig

__all__ = [
    "Alertmanager",
    "Owned",
    "Postgres",
    "Prometheus",
    "Provider",
    "Redis",
    "start_alertmanager",
    "start_postgres",
    "start_prometheus",
    "start_redis",
]

Provider = Literal["embedded", "containers"]
NO_PACKAGES = "containers need Python packages that are not installed ({error}); run: pip install -e '.[systems,containers]'"


class Owned(Protocol):
    """What a server runs in: an OwnedProcess or an OwnedContainer."""

    @property
    def alive(self) -> bool:
        """Whether it has not ended (a paused one has not)."""

    @property
    def returncode(self) -> int | None:
        """Exit status, None while it runs."""

    def pause(self) -> None:
        """Stop it where it stands."""

    def resume(self) -> None:
        """Let it go on."""

    def kill(self) -> None:
        """SIGKILL it."""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""


class Server(Protocol):
    """What every owned server has and can."""

    @property
    def provided(self) -> Provided:
        """Where it answers, and what stands behind it."""

    @property
    def process(self) -> Owned:
        """What it runs in."""

    @property
    def url(self) -> str:
        """Address for a client."""

    def kill(self) -> None:
        """SIGKILL it."""

    def start_again(self) -> None:
        """Start it on the same port; it must have ended before."""

    def stop(self) -> None:
        """End it; can be called again."""


class Redis(Server, Protocol):
    """A Redis that keeps nothing on disk unless it is told to."""

    def start_again(self, *, keep: bool = False) -> None:
        """Start it on the same port, empty, or with `keep` on its append-only file."""


class Postgres(Server, Protocol):
    """A PostgreSQL whose data survives a kill."""

    def pause(self) -> None:
        """Stop it where it stands, the backends of clients included."""

    def resume(self) -> None:
        """Let a paused server go on."""

    def run(self, *argv: str, within: timedelta = ...) -> None:
        """Run a program beside the server, with the way to its database in its environment."""


class Prometheus(Server, Protocol):
    """A Prometheus that can be given another configuration while it runs."""

    def pause(self) -> None:
        """Stop it where it stands."""

    def resume(self) -> None:
        """Let a paused server go on."""

    def reload(self, config: PrometheusConfig) -> None:
        """Give it another configuration."""


class Alertmanager(Server, Protocol):
    """An Alertmanager that can be given another configuration while it runs."""

    def pause(self) -> None:
        """Stop it where it stands."""

    def resume(self) -> None:
        """Let a paused server go on."""

    def reload(self, config: AlertmanagerConfig) -> None:
        """Give it another configuration."""


def start_redis(
    *, provider: Provider, origins: Sequence[str], guard: Guard, folder: Path | None = None
) -> Redis:
    """Start a Redis; `origins` and `folder` matter to an embedded one only.

    Raises:
        ServerFailed: it does not start, or Docker is not there.
    """
    if provider == "embedded":
        from opsverify.servers.redis import RedisServer  # noqa: PLC0415 -- only what the target asks for is loaded

        return RedisServer.start(origins=origins, guard=guard, folder=folder)
    try:
        from opsverify.servers.containers import ContainedRedis  # noqa: PLC0415 -- an extra's packages
    except ModuleNotFoundError as error:
        raise ServerFailed(NO_PACKAGES.format(error=error)) from None
    return ContainedRedis.start(guard=guard)


def start_postgres(
    *,
    provider: Provider,
    origins: Sequence[str],
    guard: Guard,
    folder: Path | None = None,
    database: str = "opsverify",
    settings: Mapping[str, str] | None = None,
    initdb: Sequence[str] = (),
    shares: Path | None = None,
) -> Postgres:
    """Start a PostgreSQL; `origins` and `folder` matter to an embedded one only.

    `initdb` are more options of that program; `shares` is a folder that a container sees under the same path.

    Raises:
        ServerFailed: it does not start, or Docker is not there.
    """
    if provider == "embedded":
        from opsverify.servers.postgres import PostgresServer  # noqa: PLC0415 -- only what the target asks for is loaded

        return PostgresServer.start(
            origins=origins, guard=guard, folder=folder, database=database, settings=settings, initdb=initdb
        )
    try:
        from opsverify.servers.containers import ContainedPostgres  # noqa: PLC0415 -- an extra's packages
    except ModuleNotFoundError as error:
        raise ServerFailed(NO_PACKAGES.format(error=error)) from None
    return ContainedPostgres.start(
        guard=guard, database=database, settings=settings, initdb=initdb, shares=shares
    )


def start_prometheus(
    *, provider: Provider, config: PrometheusConfig, guard: Guard, folder: Path | None = None
) -> Prometheus:
    """Start a Prometheus; `folder` matters to an embedded one only.

    Raises:
        ServerFailed: it does not start, or its binary or Docker is not there.
    """
    if provider == "embedded":
        from opsverify.servers.prometheus import PrometheusServer  # noqa: PLC0415 -- only what the target asks for is loaded

        return PrometheusServer.start(config=config, guard=guard, folder=folder)
    try:
        from opsverify.servers.containers import ContainedPrometheus  # noqa: PLC0415 -- an extra's packages
    except ModuleNotFoundError as error:
        raise ServerFailed(NO_PACKAGES.format(error=error)) from None
    return ContainedPrometheus.start(config=config, guard=guard)


def start_alertmanager(
    *, provider: Provider, config: AlertmanagerConfig, guard: Guard, folder: Path | None = None
) -> Alertmanager:
    """Start an Alertmanager; `folder` matters to an embedded one only.

    Raises:
        ServerFailed: it does not start, or its binary or Docker is not there.
    """
    if provider == "embedded":
        from opsverify.servers.alertmanager import AlertmanagerServer  # noqa: PLC0415 -- only what the target asks for is loaded

        return AlertmanagerServer.start(config=config, guard=guard, folder=folder)
    try:
        from opsverify.servers.containers import ContainedAlertmanager  # noqa: PLC0415 -- an extra's packages
    except ModuleNotFoundError as error:
        raise ServerFailed(NO_PACKAGES.format(error=error)) from None
    return ContainedAlertmanager.start(config=config, guard=guard)

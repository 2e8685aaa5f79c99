"""Redis, PostgreSQL, Prometheus and Alertmanager in containers: what the local servers are, for a consumer that cannot tell."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar

import psycopg

from opsverify.servers import alertmanager, prometheus
from opsverify.servers.alertmanager import AlertmanagerConfig
from opsverify.servers.configured import Program, ServerConfiguration, reload_config
from opsverify.servers.container import OwnedContainer
from opsverify.servers.images import (
    ALERTMANAGER,
    POSTGRES,
    PROMETHEUS,
    REDIS,
    Image,
    provide_image,
    refuse_without_docker,
)
from opsverify.servers.postgres import RUNNING, SETTINGS, USER, login_failure, server_version
from opsverify.servers.process import LOOPBACK, free_port
from opsverify.servers.prometheus import PrometheusConfig
from opsverify.servers.redis import ask, engine_version, server_info
from opsverify.servers.server import Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from opsverify.servers.guard import Guard

__all__ = ["ContainedAlertmanager", "ContainedPostgres", "ContainedPrometheus", "ContainedRedis"]

REDIS_PORT = 6379
POSTGRES_PORT = 5432
READY = timedelta(seconds=30)
COMMAND = ["redis-server", "--save", "", "--appendonly", "no", "--protected-mode", "no"]
"""Redis' protected mode would refuse the host, which a container sees as another machine."""


C = TypeVar("C", bound=ServerConfiguration)


class _Contained:
    """What they have in common."""

    process: OwnedContainer

    def kill(self) -> None:
        """SIGKILL the whole container."""
        self.process.kill()

    def start_again(self) -> None:
        """Start it on the same port; it must have ended before."""
        self.process.start_again()

    def stop(self) -> None:
        """End it; can be called again."""
        self.process.stop()

    def pause(self) -> None:
        """Stop it where it stands: it accepts connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self.process.resume()


class ContainedRedis(_Contained):
    """One Redis in a container. Nothing is kept on disk: streams and groups are gone after a restart."""

    def __init__(self, *, image: str, port: int, guard: Guard) -> None:
        self._port = port
        self.process = OwnedContainer(
            image,
            name="redis",
            guard=guard,
            port=(port, REDIS_PORT),
            command=COMMAND,
            env={},
            probe=self._no_answer,
            within=READY,
        )
        self.process.start()
        version = engine_version(server_info(port))
        self.provided = Provided(host=LOOPBACK, port=port, backend="container", version=version, origin=image)

    @classmethod
    def start(cls, *, guard: Guard, port: int | None = None) -> ContainedRedis:
        """Start one and wait until it answers."""
        refuse_without_docker()
        return cls(image=provide_image(REDIS), port=free_port() if port is None else port, guard=guard)

    def start_again(self, *, keep: bool = False) -> None:
        """Start it on the same port, with the snapshot that it may have written. `keep` cannot be had here."""
        if keep:
            msg = "a Redis in a container keeps its first command line, without an append-only file"
            raise ServerFailed(msg)
        super().start_again()

    @property
    def url(self) -> str:
        """Address of database 0."""
        return f"redis://{LOOPBACK}:{self._port}/0"

    def _no_answer(self) -> str | None:
        try:
            reply = ask(self._port, b"PING\r\n")
        except OSError as error:
            return f"no answer to PING on {LOOPBACK}:{self._port}: {error}"
        return None if reply == b"+PONG" else f"answer to PING on {LOOPBACK}:{self._port}: {reply[:100]!r}"


class ContainedPostgres(_Contained):
    """One PostgreSQL in a container; its data survives a kill and goes with the container."""

    def __init__(
        self,
        *,
        image: str,
        port: int,
        guard: Guard,
        database: str,
        settings: Mapping[str, str],
        initdb: Sequence[str],
        shares: Path | None,
    ) -> None:
        self.password, self.database, self._port = secrets.token_urlsafe(24), database, port
        # In a container the address is the container's own; only the published port is on loopback.
        chosen = {**SETTINGS, **settings, "listen_addresses": "*", "dynamic_shared_memory_type": "posix"}
        self.process = OwnedContainer(
            image,
            name="postgresql",
            guard=guard,
            port=(port, POSTGRES_PORT),
            command=["postgres", *(word for pair in chosen.items() for word in ("-c", "=".join(pair)))],
            env={
                "POSTGRES_USER": USER,
                "POSTGRES_PASSWORD": self.password,
                "POSTGRES_DB": database,
                "POSTGRES_INITDB_ARGS": " ".join(initdb),
            },
            probe=lambda: login_failure(self.url),
            within=READY,
            stop_signal="SIGINT",  # a fast shutdown
            shares=shares,
        )
        self.process.start()
        with psycopg.connect(self.url, autocommit=True) as connection:
            version = server_version(connection)
        self.provided = Provided(host=LOOPBACK, port=port, backend="container", version=version, origin=image)

    @classmethod
    def start(
        cls,
        *,
        guard: Guard,
        database: str = "opsverify",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        initdb: Sequence[str] = (),
        shares: Path | None = None,
    ) -> ContainedPostgres:
        """Start one and wait until it lets its user in; `settings` are more settings of the server."""
        refuse_without_docker()
        return cls(
            image=provide_image(POSTGRES),
            port=free_port() if port is None else port,
            guard=guard,
            database=database,
            settings=settings or {},
            initdb=initdb,
            shares=shares,
        )

    def run(self, *argv: str, within: timedelta = RUNNING) -> None:
        """Run a program in the container, with the way to the database in its environment."""
        way = {"PGHOST": LOOPBACK, "PGPORT": str(POSTGRES_PORT), "PGDATABASE": self.database}
        way |= {"PGUSER": USER, "PGPASSWORD": self.password}
        self.process.run(argv, user="postgres", env=way, within=within)

    @property
    def url(self) -> str:
        """Address of the database, with the password."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self._port}/{self.database}"


class _Configured(_Contained, Generic[C]):
    """A server with a configuration file. It stands in the host's network: whom it asks and tells listens on loopback."""

    PROGRAM: ClassVar[Program]
    IMAGE: ClassVar[Image]
    DATA: ClassVar[str]
    """Its data folder in the image."""

    def __init__(self, *, image: str, port: int, folder: Path, guard: Guard) -> None:
        self._port, self._folder = port, folder
        self.process = OwnedContainer(
            image,
            name=self.PROGRAM.name,
            guard=guard,
            port=(port, port),
            command=self.PROGRAM.arguments(folder, self.DATA, port),
            env={},
            probe=lambda: self.PROGRAM.not_ready(port),
            within=READY,
            reads=folder,
        )
        self.process.start()
        self.provided = Provided(
            host=LOOPBACK, port=port, backend="container", version=self.PROGRAM.version(port), origin=image
        )

    @classmethod
    def start(cls, *, config: C, guard: Guard, port: int | None = None) -> Self:
        """Start one and wait until it is ready."""
        refuse_without_docker()
        image, folder = provide_image(cls.IMAGE), guard.folder(f"opsverify-{cls.PROGRAM.name}-")
        config.write(folder)
        return cls(image=image, port=free_port() if port is None else port, folder=folder, guard=guard)

    def reload(self, config: C) -> None:
        """Give it another configuration."""
        config.write(self._folder)
        reload_config(self.PROGRAM.name, self._port, self.process)

    @property
    def url(self) -> str:
        """Address of its HTTP surface."""
        return f"http://{LOOPBACK}:{self._port}"


class ContainedPrometheus(_Configured[PrometheusConfig]):
    """One Prometheus in a container."""

    PROGRAM, IMAGE, DATA = prometheus.PROGRAM, PROMETHEUS, "/prometheus"


class ContainedAlertmanager(_Configured[AlertmanagerConfig]):
    """One Alertmanager in a container."""

    PROGRAM, IMAGE, DATA = alertmanager.PROGRAM, ALERTMANAGER, "/alertmanager"

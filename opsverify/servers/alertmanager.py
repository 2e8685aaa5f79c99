"""An Alertmanager of the run's own, from Debian's binary, that notifies one receiver."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opsverify.servers.configured import OK, ConfiguredServer, ask_page, find_binary, reload_config
from opsverify.servers.process import LOOPBACK, free_port
from opsverify.servers.server import Provided, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opsverify.servers.guard import Guard

__all__ = [
    "CONFIG",
    "OPTIONS",
    "AlertmanagerConfig",
    "AlertmanagerServer",
    "find_alertmanager",
    "not_ready",
    "server_version",
]

CONFIG = "alertmanager.yml"
OPTIONS = ("--cluster.listen-address=",)
"""Empty: no gossip port, it stands alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerConfig:
    """What an Alertmanager does: a webhook that hears of every alert by itself, and its inhibitions.

    `wait` is how long the first notification of a group waits, `again` how often a change of the group is told.
    `inhibit` are rules as its configuration file has them.
    """

    webhook: str
    receiver: str = "people"
    wait: timedelta = timedelta(0)
    again: timedelta = timedelta(seconds=1)
    inhibit: tuple[Mapping[str, Any], ...] = ()

    def text(self) -> str:
        """The configuration file. It is JSON, which YAML includes."""
        config = {
            "route": {
                "receiver": self.receiver,
                "group_by": ["..."],
                "group_wait": f"{round(self.wait / timedelta(milliseconds=1))}ms",
                "group_interval": f"{round(self.again / timedelta(milliseconds=1))}ms",
                "repeat_interval": "1h",
            },
            "receivers": [
                {"name": self.receiver, "webhook_configs": [{"url": self.webhook, "send_resolved": True}]}
            ],
            "inhibit_rules": [dict(rule) for rule in self.inhibit],
        }
        return json.dumps(config, indent=2)

    def write(self, folder: Path) -> None:
        """Put the configuration into `folder`."""
        file = folder / CONFIG
        file.write_text(self.text(), encoding="utf-8")
        file.chmod(0o644)  # in a container another user reads it


def find_alertmanager() -> Path | None:
    """Debian's binary, or None; no Python package carries one."""
    return find_binary("prometheus-alertmanager", "alertmanager")


class AlertmanagerServer(ConfiguredServer):
    """One Alertmanager. It keeps silences over an orderly end; alerts are sent to it again."""

    NAME = "alertmanager"

    def __init__(
        self, *, binary: Path, config: AlertmanagerConfig, port: int, folder: Path, guard: Guard
    ) -> None:
        config.write(folder)
        argv = [
            str(binary),
            f"--config.file={folder / CONFIG}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            *OPTIONS,
        ]
        super().__init__(argv=argv, port=port, folder=folder, guard=guard)
        version = server_version(port)
        self.provided = Provided(
            host=LOOPBACK, port=port, backend="local binary", version=version, origin=str(binary)
        )

    @classmethod
    def start(
        cls,
        *,
        config: AlertmanagerConfig,
        guard: Guard,
        port: int | None = None,
        folder: Path | None = None,
    ) -> AlertmanagerServer:
        """Start one and wait until it is ready.

        Raises:
            ServerFailed: there is no binary, or it does not become ready.
        """
        binary = find_alertmanager()
        if binary is None:
            msg = "no Alertmanager found on this machine; to have one: `apt-get install prometheus-alertmanager`"
            raise ServerFailed(msg)
        port = free_port() if port is None else port
        folder = guard.folder("opsverify-alertmanager-") if folder is None else folder
        return cls(binary=binary, config=config, port=port, folder=folder, guard=guard)

    def reload(self, config: AlertmanagerConfig) -> None:
        """Give it another configuration."""
        config.write(self._folder)
        reload_config(self.NAME, self._port, self.process)

    def _not_ready(self) -> str | None:
        return not_ready(self._port)


def not_ready(port: int) -> str | None:
    """None when an Alertmanager on this loopback port is ready and tells its status, else what came instead."""
    try:
        status, body = ask_page("GET", port, "/-/ready")
        if status == OK:
            status, body = ask_page("GET", port, "/api/v2/status")
    except (OSError, http.client.HTTPException) as error:
        return f"GET http://{LOOPBACK}:{port}/-/ready: {type(error).__name__}: {error}"
    return None if status == OK and b"versionInfo" in body else f"it answers {status} {body[:100]!r}"


def server_version(port: int) -> str:
    """As `alertmanager 0.25.0`."""
    status, body = ask_page("GET", port, "/api/v2/status")
    known = json.loads(body)["versionInfo"]["version"] if status == OK else "of unknown version"
    return f"alertmanager {known}"

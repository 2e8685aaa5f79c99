"""An Alertmanager of the run's own, from Debian's binary, that notifies one receiver."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opsverify.servers.configured import OK, ConfiguredServer, Program, ask_page
from opsverify.servers.process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = [
    "PROGRAM",
    "AlertmanagerConfig",
    "AlertmanagerServer",
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


PROGRAM = Program(
    name="alertmanager",
    binaries=("prometheus-alertmanager", "alertmanager"),
    package="prometheus-alertmanager",
    config=CONFIG,
    data="--storage.path",
    options=OPTIONS,
    not_ready=not_ready,
    version=server_version,
)


class AlertmanagerServer(ConfiguredServer[AlertmanagerConfig]):
    """One Alertmanager. It keeps silences over an orderly end; alerts are sent to it again."""

    NAME = PROGRAM.name
    PROGRAM = PROGRAM

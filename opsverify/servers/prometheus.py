"""A Prometheus of the run's own, from Debian's binary, with whatever scrape jobs and rules its consumer gives it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
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
    "PrometheusConfig",
    "PrometheusServer",
    "ScrapeJob",
    "find_prometheus",
    "not_ready",
    "server_version",
]

CONFIG = "prometheus.yml"
OPTIONS = (
    "--web.enable-lifecycle",
    "--web.enable-admin-api",
    "--rules.alert.resend-delay=1s",
    "--storage.tsdb.retention.time=30d",  # the days that a projection is made from
    # Without it a target may wait five seconds more: Prometheus looks for targets on two tickers, one of them fixed.
    "--scrape.discovery-reload-interval=100ms",
)


@dataclass(frozen=True, slots=True)
class ScrapeJob:
    """One scrape job: its name, `host:port` of its targets, and the page that is scraped."""

    name: str
    targets: tuple[str, ...]
    path: str = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusConfig:
    """What a Prometheus does: jobs, rule files by name with their text, Alertmanagers as `host:port`.

    `interval` is that of scrapes and of rule evaluations alike.
    """

    jobs: tuple[ScrapeJob, ...]
    rules: Mapping[str, str] = field(default_factory=dict)
    alertmanagers: tuple[str, ...] = ()
    interval: timedelta = timedelta(seconds=1)

    def text(self) -> str:
        """The configuration file. It is JSON, which YAML includes."""
        each = f"{round(self.interval / timedelta(milliseconds=1))}ms"
        jobs = [
            {
                "job_name": job.name,
                "metrics_path": job.path,
                "static_configs": [{"targets": list(job.targets)}],
            }
            for job in self.jobs
        ]
        config: dict[str, Any] = {
            "global": {"scrape_interval": each, "scrape_timeout": each, "evaluation_interval": each},
            "scrape_configs": jobs,
            "rule_files": sorted(self.rules),
        }
        if self.alertmanagers:
            managers = [{"static_configs": [{"targets": list(self.alertmanagers)}]}]
            config["alerting"] = {"alertmanagers": managers}
        return json.dumps(config, indent=2)

    def write(self, folder: Path) -> None:
        """Put the configuration and its rule files into `folder`; rule files of an earlier one go."""
        for old in folder.glob("*.rules.yml"):
            old.unlink()
        for name, text in {**self.rules, CONFIG: self.text()}.items():
            if name != CONFIG and not name.endswith(".rules.yml"):
                msg = f"rule file {name!r}: right would be a name that ends with .rules.yml"
                raise ServerFailed(msg)
            file = folder / name
            file.write_text(text, encoding="utf-8")
            file.chmod(0o644)  # in a container another user reads it


def find_prometheus() -> Path | None:
    """Debian's binary, or None; no Python package carries one."""
    return find_binary("prometheus")


class PrometheusServer(ConfiguredServer):
    """One Prometheus."""

    NAME = "prometheus"

    def __init__(
        self, *, binary: Path, config: PrometheusConfig, port: int, folder: Path, guard: Guard
    ) -> None:
        config.write(folder)
        argv = [
            str(binary),
            f"--config.file={folder / CONFIG}",
            f"--storage.tsdb.path={folder / 'data'}",
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
        config: PrometheusConfig,
        guard: Guard,
        port: int | None = None,
        folder: Path | None = None,
    ) -> PrometheusServer:
        """Start one and wait until it is ready; its first scrapes come five seconds later, as it is built.

        Raises:
            ServerFailed: there is no binary, or it does not become ready.
        """
        binary = find_prometheus()
        if binary is None:
            msg = "no Prometheus found on this machine; to have one: `apt-get install prometheus`"
            raise ServerFailed(msg)
        port = free_port() if port is None else port
        folder = guard.folder("opsverify-prometheus-") if folder is None else folder
        return cls(binary=binary, config=config, port=port, folder=folder, guard=guard)

    def reload(self, config: PrometheusConfig) -> None:
        """Give it another configuration; targets follow within five seconds."""
        config.write(self._folder)
        reload_config(self.NAME, self._port, self.process)

    def _not_ready(self) -> str | None:
        return not_ready(self._port)


def not_ready(port: int) -> str | None:
    """None when a Prometheus on this loopback port says that it is ready, else what came instead."""
    try:
        status, body = ask_page("GET", port, "/-/ready")
    except (OSError, http.client.HTTPException) as error:
        return f"GET http://{LOOPBACK}:{port}/-/ready: {type(error).__name__}: {error}"
    return None if status == OK and b"Prometheus" in body else f"/-/ready answers {status} {body[:100]!r}"


def server_version(port: int) -> str:
    """As `prometheus 2.42.0`."""
    status, body = ask_page("GET", port, "/api/v1/status/buildinfo")
    known = json.loads(body)["data"]["version"] if status == OK else "of unknown version"
    return f"prometheus {known}"

"""A Prometheus of the run's own, from Debian's binary, with whatever scrape jobs and rules its consumer gives it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opsverify.servers.configured import OK, ConfiguredServer, Program, ask_page
from opsverify.servers.process import LOOPBACK
from opsverify.servers.server import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = [
    "PROGRAM",
    "PrometheusConfig",
    "PrometheusServer",
    "ScrapeJob",
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


PROGRAM = Program(
    name="prometheus",
    binaries=("prometheus",),
    package="prometheus",
    config=CONFIG,
    data="--storage.tsdb.path",
    options=OPTIONS,
    not_ready=not_ready,
    version=server_version,
)


class PrometheusServer(ConfiguredServer[PrometheusConfig]):
    """One Prometheus; its first scrapes come five seconds after its start, targets follow a new configuration within five."""

    NAME = PROGRAM.name
    PROGRAM = PROGRAM

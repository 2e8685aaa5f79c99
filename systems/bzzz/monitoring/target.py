"""Prometheus and Grafana of a BZZZ target."""

from __future__ import annotations

from opsverify.target.file import EnvSecret
from systems.bzzz.published.target import Published

__all__ = ["GrafanaTarget", "PrometheusTarget", "WebTarget"]


class WebTarget(Published):
    """A published surface; a login by `username` and a password from the environment, where one is needed."""

    username: str | None = None
    password_env: EnvSecret | None = None


class PrometheusTarget(WebTarget):
    """The Prometheus that scrapes BZZZ; `job` is the scrape job of the agents, `node_job` that of the nodes' exporters,
    `alertmanager_job` that of Alertmanager. `capacity` and `memory` are what the rules on capacity and on memory are
    called here. The four incidents have the runbook's names.
    """

    job: str = "bzzz"
    node_job: str = "node"
    alertmanager_job: str = "alertmanager"
    capacity: tuple[str, ...] = ("BZZZCapacityCPU", "BZZZCapacityMemory", "BZZZCapacityDisk")
    memory: str = "High Memory Usage"


class GrafanaTarget(WebTarget):
    """The Grafana with BZZZ's dashboards."""

"""BZZZ's section of a target file: its surfaces, one module per area, and its limits."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, model_validator

from opsverify.target.file import Section
from systems.bzzz.agents.target import ApiTarget
from systems.bzzz.alerting.target import AlertmanagerTarget
from systems.bzzz.backups.target import BackupsTarget
from systems.bzzz.database.target import DatabaseTarget
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.logs.target import LokiTarget
from systems.bzzz.monitoring.target import GrafanaTarget, PrometheusTarget
from systems.bzzz.network.target import NodeTarget, PeersTarget
from systems.bzzz.services.target import ServicesTarget
from systems.bzzz.storage.target import StorageTarget

__all__ = ["BzzzSection"]


class BzzzSection(Section):
    """A BZZZ instance: its API, its nodes by name, monitoring, service manager, storage, database and backups.

    `recovered_at` is when the last incident was over; from then on B-VAL-1 watches the recovery.

    The surface `nodes` is the agents' and bootstraps' own ports; `hosts` are shells on the nodes.
    """

    surfaces: ClassVar[tuple[str, ...]] = (
        "api",
        "nodes",
        "prometheus",
        "alertmanager",
        "grafana",
        "loki",
        "services",
        "hosts",
        "storage",
        "database",
        "backups",
    )

    api: ApiTarget | None = None
    nodes: dict[str, NodeTarget] = {}
    peers: PeersTarget = PeersTarget()
    prometheus: PrometheusTarget | None = None
    alertmanager: AlertmanagerTarget | None = None
    grafana: GrafanaTarget | None = None
    loki: LokiTarget | None = None
    services: ServicesTarget | None = None
    storage: StorageTarget | None = None
    database: DatabaseTarget | None = None
    backups: BackupsTarget | None = None
    recovered_at: AwareDatetime | None = None
    limits: BzzzLimits = BzzzLimits()

    @model_validator(mode="after")
    def _peers_can_be_enough(self) -> BzzzSection:
        agents = len(self.nodes)
        bootstraps = sum(node.bootstrap is not None for node in self.nodes.values())
        most = agents + bootstraps - 1
        if self.nodes and most < self.limits.peers.value:
            msg = f"limits.peers: {agents} agents and {bootstraps} bootstraps give each agent at most {most} peers, below {self.limits.peers}; set limits.peers to what this instance can reach"
            raise ValueError(msg)
        return self

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        configured = {
            "api": self.api and self.api.url,
            "nodes": ", ".join(node.agent for node in self.nodes.values()),
            "prometheus": self.prometheus and self.prometheus.url,
            "alertmanager": self.alertmanager and self.alertmanager.url,
            "grafana": self.grafana and self.grafana.url,
            "loki": self.loki and self.loki.url,
            "services": self.services and self.services.manager,
            "hosts": ", ".join(node.shell for node in self.nodes.values() if node.shell),
            "storage": self.storage and self.storage.host,
            "database": self.database and self.database.url,
            "backups": self.backups and self.backups.places(),
        }
        return {surface: url for surface, url in configured.items() if url}

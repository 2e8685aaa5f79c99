"""Esper-Lite's part of a target file: its surfaces, streams, groups, workload and limits."""

from __future__ import annotations

from typing import ClassVar, Literal

from opsverify.target.file import EnvSecret, Section
from systems.esper.bus.target import GroupRoles, RedisTarget, Streams
from systems.esper.forge.target import FilesTarget
from systems.esper.infra.target import PrometheusTarget, WebTarget
from systems.esper.kasmina.target import IsolationAcknowledged
from systems.esper.limits import EsperLimits
from systems.esper.nissa.target import NissaTarget

__all__ = ["EsperSection", "Workload"]
Workload = Literal["running", "idle", "window"]


class EsperSection(Section):
    """An Esper-Lite instance.

    `leyline_secret_env` names the variable with the signing secret, where messages are signed; `workload` says
    whether telemetry should be arriving now (`running`), not (`idle`: the last run is judged as a whole), or only at
    times (`window`: judged as idle, whatever its age). `isolation` acknowledges violations that were looked into.
    """

    surfaces: ClassVar[tuple[str, ...]] = (
        "redis",
        "nissa",
        "prometheus",
        "grafana",
        "elasticsearch",
        "files",
    )

    redis: RedisTarget | None = None
    nissa: NissaTarget | None = None
    prometheus: PrometheusTarget | None = None
    grafana: WebTarget | None = None
    elasticsearch: WebTarget | None = None
    files: FilesTarget | None = None
    leyline_secret_env: EnvSecret | None = None
    workload: Workload = "running"
    streams: Streams = Streams()
    groups: dict[str, GroupRoles] = {
        "nissa-service": GroupRoles(
            on=("normal", "emergency", "telemetry", "policy"), reads=("telemetry", "normal")
        )
    }
    isolation: IsolationAcknowledged | None = None
    limits: EsperLimits = EsperLimits()

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        configured = {
            "redis": self.redis.url if self.redis else None,
            "nissa": self.nissa.url if self.nissa else None,
            "prometheus": self.prometheus.url if self.prometheus else None,
            "grafana": self.grafana.url if self.grafana else None,
            "elasticsearch": self.elasticsearch.url if self.elasticsearch else None,
            "files": f"{self.files.host} {self.files.root}" if self.files else None,
        }
        return {surface: url for surface, url in configured.items() if url}

    @property
    def secret(self) -> str | None:
        """The signing secret, or None where messages are not signed."""
        return self.leyline_secret_env.get_secret_value() if self.leyline_secret_env else None

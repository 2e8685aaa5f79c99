"""Client of Prometheus, Grafana and Elasticsearch around Esper-Lite. Read-only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.prometheus import PrometheusApi
from opsverify.probes.replies import basic_login, parse_as
from systems.esper.infra.models import ClusterHealth, GrafanaHealth, ScrapeTarget, Scraping

if TYPE_CHECKING:
    from opsverify.probes.http import Http, Reply
    from systems.esper.infra.target import WebTarget
    from systems.esper.section import EsperSection

__all__ = ["InfraClient"]

_MOST_SHOWN = 300
_NISSAS = "esper_training_runs_total"  # without labels, so it is there from Nissa's first moment on
_Count = Annotated[int, Field(ge=0)]


class _GrafanaJson(TypedDict):
    database: str
    version: NotRequired[str]


class _ClusterJson(TypedDict):
    cluster_name: str
    status: Literal["green", "yellow", "red"]
    timed_out: bool
    number_of_data_nodes: _Count
    unassigned_shards: _Count
    initializing_shards: _Count


_GRAFANA: TypeAdapter[_GrafanaJson] = TypeAdapter(_GrafanaJson)
_CLUSTER: TypeAdapter[_ClusterJson] = TypeAdapter(_ClusterJson)


class InfraClient:
    """The pages that the runbook's infrastructure check asks (scripts/check_infra.sh), and Prometheus's targets."""

    def __init__(self, http: Http, section: EsperSection) -> None:
        self._http, self._section = http, section

    async def scraping(self) -> Scraping:
        """Prometheus's readiness, clock and active targets, and whether the scrapes of Nissa's job bring its series.

        Raises:
            Unobservable: 503 of a Prometheus that is not ready (server-error), or an answer of another shape.
        """
        target = self._section.prometheus
        if target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no prometheus")
        prometheus = PrometheusApi(self._http, target.url)
        await prometheus.ready()
        now, targets, warnings = await prometheus.targets()
        series, more = await prometheus.query(f"{_NISSAS}{{job={json.dumps(target.job)}}}")
        return Scraping(
            job=target.job,
            active=len(targets),
            targets=tuple(
                ScrapeTarget(
                    job=each.job,
                    url=each.url,
                    health=each.health,
                    error=each.error,
                    age_s=each.age_s,
                    interval_s=each.interval_s,
                )
                for each in targets
            ),
            with_series=len(series["result"]),
            at=now,
            warnings=tuple(dict.fromkeys((*warnings, *more))),
        )

    async def grafana(self) -> GrafanaHealth:
        """/api/health: 200, or 503 where Grafana says that its database fails. Any other 503 is a server error."""
        reply = await self._get(self._section.grafana, "grafana", "/api/health", {200, 503})
        if reply.status == 503 and "json" not in reply.content_type:  # noqa: PLR2004
            raise Unobservable(ErrorKind.SERVER_ERROR, f"{reply.url} answered {reply.shown()}")
        body = parse_as(reply, _GRAFANA, reply.json())
        version = bounded_text(body.get("version", "?"), 40)
        return GrafanaHealth(
            status=reply.status, database=bounded_text(body["database"], 80), version=version
        )

    async def elasticsearch(self) -> ClusterHealth:
        """/_cluster/health. A status that the cluster could not tell in time is not observed."""
        reply = await self._get(self._section.elasticsearch, "elasticsearch", "/_cluster/health", {200})
        body = parse_as(reply, _CLUSTER, reply.json())
        if body["timed_out"]:
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"the cluster did not settle in its own time: {reply.shown()}"
            )
        return ClusterHealth(
            cluster=bounded_text(body["cluster_name"], 80),
            status=body["status"],
            data_nodes=body["number_of_data_nodes"],
            unassigned=body["unassigned_shards"],
            initializing=body["initializing_shards"],
        )

    async def _get(self, target: WebTarget | None, surface: str, path: str, answers: set[int]) -> Reply:
        if target is None:
            raise Unobservable(ErrorKind.PRECONDITION, f"the target configures no {surface}")
        return await self._http.get(
            f"{target.url}{path}", answers=answers, headers=basic_login(target.username, target.password_env)
        )

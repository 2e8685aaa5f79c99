"""Client of the Prometheus that watches BZZZ: samples that are fresh, targets, rules. Read-only."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypeVar

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.prometheus import Moment, PrometheusApi, Value, instant
from opsverify.probes.replies import basic_login
from systems.bzzz.monitoring.models import (
    PrometheusSeen,
    Rule,
    Rules,
    Sample,
    Samples,
    ScrapeTarget,
    Scraping,
    Series,
    SeriesRange,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from opsverify.probes.http import Http
    from systems.bzzz.monitoring.target import PrometheusTarget

__all__ = ["PrometheusClient"]

T = TypeVar("T")
_MOST_SHOWN = 300
_MOST_STALE = 20
_LONGEST_QUERY = 20_000
_STALE_INTERVALS = 3
_STALE_SLACK_S = 2.0
_LONGEST_S = 1e9


_Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S, allow_inf_nan=False)]


class _SeriesJson(TypedDict):
    metric: dict[str, str]
    values: list[tuple[float, Value]]


class _MatrixJson(TypedDict):
    resultType: Literal["matrix"]
    result: list[_SeriesJson]


class _RuleJson(TypedDict):
    name: str
    type: Literal["alerting", "recording"]
    query: str
    health: str
    lastError: NotRequired[str]
    lastEvaluation: NotRequired[Moment]
    state: NotRequired[Literal["firing", "pending", "inactive", "unknown"]]
    labels: NotRequired[dict[str, str]]
    duration: NotRequired[_Seconds]


class _GroupJson(TypedDict):
    name: str
    interval: _Seconds
    rules: list[_RuleJson]


class _RulesJson(TypedDict):
    groups: list[_GroupJson]


class _UrlJson(TypedDict):
    url: str


class _ManagersJson(TypedDict):
    activeAlertmanagers: list[_UrlJson]


class _RuntimeJson(TypedDict):
    startTime: Moment
    lastConfigTime: NotRequired[Moment]
    storageRetention: NotRequired[str]


class _BuildJson(TypedDict):
    version: str


_MATRIX: TypeAdapter[_MatrixJson] = TypeAdapter(_MatrixJson)
_RULES: TypeAdapter[_RulesJson] = TypeAdapter(_RulesJson)
_MANAGERS: TypeAdapter[_ManagersJson] = TypeAdapter(_ManagersJson)
_RUNTIME: TypeAdapter[_RuntimeJson] = TypeAdapter(_RuntimeJson)
_BUILD: TypeAdapter[_BuildJson] = TypeAdapter(_BuildJson)


class PrometheusClient:
    """Asks Prometheus's HTTP API.

    Every method raises Unobservable: 5xx (server-error; a Prometheus that starts answers 503), a query that it refuses
    or an answer of another shape (unexpected-reply), no `[bzzz.prometheus]` in the target (precondition).
    """

    def __init__(self, http: Http, target: PrometheusTarget | None) -> None:
        self._http, self._target = http, target

    @property
    def job(self) -> str:
        """The scrape job of the agents."""
        return self.target.job

    async def vector(self, query: str) -> Samples:
        """The answer to an instant query as it is: it may be empty, stale, or not a number."""
        found, warnings = await self._prometheus.query(query)
        series = tuple(_sample(s) for s in found["result"])
        at = series[0].at if series else await self.now()
        return Samples(query=query, at=at, series=series, warnings=warnings)

    async def current(self, query: str, *, job: str | None = None) -> Samples:
        """The same, of what is being scraped now: a series of a target that is down, gone, or was not scraped within
        three intervals is left out and named in `stale`. A series that names neither instance nor job is as fresh as
        the targets of `job`, which is the agents' where none is named.

        Raises:
            Unobservable: no series is left (empty, or precondition where all are stale), or a value is NaN (empty).
        """
        job = job or self.job
        seen, scraping = await asyncio.gather(self.vector(query), self.targets())
        freshness = _Freshness(scraping)
        whys = [
            (s, freshness.why_not(s.labels.get("job", job), s.labels.get("instance"))) for s in seen.series
        ]
        fresh = tuple(s for s, why in whys if not why)
        stale = [f"{s.who}: {why}" for s, why in whys if why]
        told = tuple(bounded_text(each) for each in stale[:_MOST_STALE])
        if not fresh and stale:
            raise Unobservable(
                ErrorKind.PRECONDITION,
                f"all {len(stale)} series of {query} are stale: {bounded_text('; '.join(told))}",
            )
        if not fresh:
            raise Unobservable(
                ErrorKind.EMPTY, f"Prometheus has no series for {query}; {_of_job(scraping, job)}"
            )
        numberless = [s.who for s in fresh if math.isnan(s.value)][:_MOST_STALE]
        if numberless:
            raise Unobservable(
                ErrorKind.EMPTY, f"{query} is not a number for {bounded_text(', '.join(numberless))}"
            )
        if len(stale) > len(told):
            told = (*told, f"and {len(stale) - len(told)} more")
        return seen.model_copy(update={"series": fresh, "stale": told})

    async def range(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> SeriesRange:
        """The answer to a range query as it is; it may be empty, and values may be NaN."""
        found, warnings = await self._prometheus.api(
            "query_range",
            _MATRIX,
            query=query,
            start=f"{start.timestamp():.3f}",
            end=f"{end.timestamp():.3f}",
            step=f"{step.total_seconds():g}",
        )
        series = tuple(
            Series(labels=_bounded(s["metric"]), points=tuple((instant(t), v) for t, v in s["values"]))
            for s in found["result"]
        )
        return SeriesRange(query=query, step_s=step.total_seconds(), series=series, warnings=warnings)

    async def now(self) -> datetime:
        """Prometheus's clock."""
        return await self._prometheus.now()

    async def targets(self) -> Scraping:
        """The active targets; there may be none."""
        now, targets, warnings = await self._prometheus.targets()
        return Scraping(
            at=now, targets=tuple(ScrapeTarget(**asdict(target)) for target in targets), warnings=warnings
        )

    async def scraped(self) -> tuple[str, ...]:
        """The instances of the agents' job that are being scraped now."""
        scraping = await self.targets()
        return tuple(sorted({t.instance for t in scraping.of(self.job) if not _not_lately(t)}))

    async def rules(self) -> Rules:
        """Every rule that is loaded; there may be none."""
        (found, warnings), now = await asyncio.gather(
            self._prometheus.api("rules", _RULES, exclude_alerts="true"), self.now()
        )
        rules = tuple(_rule(r, g, now) for g in found["groups"] for r in g["rules"])
        return Rules(at=now, rules=rules, warnings=warnings)

    async def alertmanagers(self) -> tuple[str, ...]:
        """The addresses of the Alertmanagers that it sends alerts to now."""
        found, _ = await self._prometheus.api("alertmanagers", _MANAGERS)
        return tuple(bounded_text(m["url"], 200) for m in found["activeAlertmanagers"][:20])

    async def server(self) -> PrometheusSeen:
        """Which Prometheus it is, once it is ready."""
        await self._prometheus.ready()
        (runtime, _), (build, _) = await asyncio.gather(
            self._prometheus.api("status/runtimeinfo", _RUNTIME),
            self._prometheus.api("status/buildinfo", _BUILD),
        )
        return PrometheusSeen(
            version=bounded_text(build["version"], 40),
            started=runtime["startTime"],
            configured=max(runtime["startTime"], runtime.get("lastConfigTime", runtime["startTime"])),
            storage_retention=bounded_text(runtime.get("storageRetention", ""), 40),
        )

    @property
    def target(self) -> PrometheusTarget:
        """The target's part on it. Raises Unobservable where there is none."""
        if self._target is None:
            raise Unobservable(
                ErrorKind.PRECONDITION, "the target configures no prometheus; add [bzzz.prometheus] url"
            )
        return self._target

    @property
    def _prometheus(self) -> PrometheusApi:
        target = self.target
        return PrometheusApi(self._http, target.url, basic_login(target.username, target.password_env))


def _sample(seen: Any) -> Sample:
    at, value = seen["value"]
    return Sample(labels=_bounded(seen["metric"]), value=value, at=instant(at))


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    return {bounded_text(k, 80): bounded_text(v, 200) for k, v in list(labels.items())[:30]}


class _Freshness:
    """Why what is told of a job, or of one instance of it, is old: each is looked up once, however many series there are."""

    def __init__(self, scraping: Scraping) -> None:
        self._why: dict[tuple[str, str | None], str] = {}
        for target in scraping.targets:
            why = _not_lately(target)
            for key in ((target.job, target.instance), (target.job, None)):
                # One fresh target is enough for what several of them tell.
                self._why[key] = why and self._why.get(key, why)

    def why_not(self, job: str, instance: str | None) -> str:
        """Why it is old, or nothing."""
        return self._why.get((job, instance), "nothing is scraped there any more")


def _not_lately(target: ScrapeTarget) -> str:
    if target.health != "up":
        return f"its scrape is {target.health}: {target.error or 'no error told'}"
    most = _STALE_INTERVALS * target.interval_s + _STALE_SLACK_S
    if target.age_s < -most:
        return f"last scraped {-target.age_s:.1f} s after Prometheus's own clock: that was set back"
    return "" if target.age_s <= most else f"last scraped {target.age_s:.1f} s ago"


def _of_job(scraping: Scraping, job: str) -> str:
    told = [f"{t.url} {t.health} {t.error}".strip() for t in scraping.of(job)]
    return bounded_text(f"targets of job {job}: {', '.join(told) or 'none'}")


def _rule(seen: _RuleJson, group: _GroupJson, now: datetime) -> Rule:
    at = seen.get("lastEvaluation")
    ago = None if at is None or at.year <= 1 else (now - at).total_seconds()
    return Rule(
        name=bounded_text(seen["name"], 120),
        group=bounded_text(group["name"], 120),
        kind=seen["type"],
        query=bounded_text(seen["query"], _LONGEST_QUERY),
        health=bounded_text(seen["health"], 20),
        error=bounded_text(seen.get("lastError", ""), _MOST_SHOWN),
        state=state if (state := seen.get("state", "")) != "unknown" else "",
        labels=_bounded(seen.get("labels", {})),
        for_s=seen.get("duration", 0.0),
        interval_s=group["interval"],
        evaluated_ago_s=ago,
    )

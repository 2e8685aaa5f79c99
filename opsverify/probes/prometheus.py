"""Client of Prometheus's HTTP API: queries, targets, its clock. PromQL is evaluated by Prometheus, values are judged elsewhere."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.replies import parse_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.probes.http import Http, Reply

__all__ = [
    "DEFAULT_INTERVAL",
    "ActiveTarget",
    "Moment",
    "PrometheusApi",
    "Value",
    "Vector",
    "api_data",
    "duration_s",
    "instant",
]

T = TypeVar("T")
DEFAULT_INTERVAL = "1m"
"""Prometheus's own scrape interval, where one before 2.29 does not tell."""
_MOST_SHOWN = 300
_FARTHEST_S = 1e11
"""In 3,000 years: later ones are no time stamps, and leave no room to reckon with."""
_MOST_WARNINGS = 10
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_S = (31_536_000, 604_800, 86_400, 3_600, 60, 1, 0.001)


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        msg = f"{at.isoformat()} is no moment of this calendar in UTC"
        raise ValueError(msg) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment of an answer, in UTC: some of those of Prometheus and Alertmanager have their machine's zone."""


def _number(value: Any) -> float:
    if not isinstance(value, str):
        msg = "a value of Prometheus is a text"
        raise ValueError(msg)  # noqa: TRY004 -- pydantic takes no TypeError for an answer of another shape
    return float(value)


Value = Annotated[float, BeforeValidator(_number)]
"""A value comes as a text, such as "0.5", "NaN" or "+Inf"."""


class SampleJson(TypedDict):
    """One sample of an instant query."""

    metric: dict[str, str]
    value: tuple[float, Value]


class Vector(TypedDict):
    """The answer to an instant query."""

    resultType: Literal["vector"]
    result: list[SampleJson]


class _Scalar(TypedDict):
    resultType: Literal["scalar"]
    result: tuple[float, Value]


class _Target(TypedDict):
    labels: dict[str, str]
    scrapeUrl: str
    health: Literal["up", "down", "unknown"]
    lastError: str
    lastScrape: Moment
    scrapeInterval: NotRequired[str]


class _Targets(TypedDict):
    activeTargets: list[_Target]


_VECTOR: TypeAdapter[Vector] = TypeAdapter(Vector)
_SCALAR: TypeAdapter[_Scalar] = TypeAdapter(_Scalar)
_TARGETS: TypeAdapter[_Targets] = TypeAdapter(_Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTarget:
    """An active target. `age_s` is how long ago it was scraped, by Prometheus's clock; `interval_s` how often it should be."""

    job: str
    instance: str
    url: str
    health: Literal["up", "down", "unknown"]
    error: str
    age_s: float
    interval_s: float


class PrometheusApi:
    """Prometheus's HTTP API at `url`; `login` are the headers of a login, where it takes one.

    Every method raises Unobservable: 5xx (server-error; a Prometheus that starts answers 503), a query that it refuses
    or an answer of another shape (unexpected-reply).
    """

    def __init__(self, http: Http, url: str, login: Mapping[str, str] | None = None) -> None:
        self._http, self._url, self._login = http, url, login

    async def ready(self) -> None:
        """See that it serves."""
        await self.get("/-/ready")

    async def now(self) -> datetime:
        """Its clock."""
        clock, _ = await self.api("query", _SCALAR, query="time()")
        return instant(clock["result"][0])

    async def query(self, promql: str) -> tuple[Vector, tuple[str, ...]]:
        """The answer to an instant query, and its warnings."""
        return await self.api("query", _VECTOR, query=promql)

    async def targets(self) -> tuple[datetime, tuple[ActiveTarget, ...], tuple[str, ...]]:
        """Its clock, its active targets (there may be none), and warnings."""
        (targets, warnings), now = await asyncio.gather(
            self.api("targets", _TARGETS, state="active"), self.now()
        )
        return now, tuple(_active(target, now) for target in targets["activeTargets"]), warnings

    async def get(self, path: str) -> Reply:
        """A page that answers 200."""
        return await self._http.get(f"{self._url}{path}", answers={200}, headers=self._login)

    async def api(self, path: str, adapter: TypeAdapter[T], **query: str) -> tuple[T, tuple[str, ...]]:
        """The data of `/api/v1/<path>`, and its warnings."""
        words = f"?{urlencode(query)}" if query else ""
        return api_data(await self.get(f"/api/v1/{path}{words}"), adapter)


def _active(target: _Target, now: datetime) -> ActiveTarget:
    try:
        interval_s = duration_s(target.get("scrapeInterval", DEFAULT_INTERVAL))
    except (ValueError, OverflowError) as error:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{target['scrapeUrl'][:200]}: {error}") from None
    return ActiveTarget(
        job=bounded_text(target["labels"].get("job", ""), 80),
        instance=bounded_text(target["labels"].get("instance", ""), 200),
        url=bounded_text(target["scrapeUrl"], 200),
        health=target["health"],
        error=bounded_text(target["lastError"], _MOST_SHOWN),
        age_s=(now - target["lastScrape"]).total_seconds(),
        interval_s=interval_s,
    )


def api_data(reply: Reply, adapter: TypeAdapter[T]) -> tuple[T, tuple[str, ...]]:
    """The data of an answer of the API, with its warnings and infos.

    Raises:
        Unobservable: it is no success, or has another shape.
    """
    body = reply.json()
    if not isinstance(body, dict) or body.get("status") != "success":
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{reply.url} answered {reply.shown()}")
    said = [each for key in ("warnings", "infos") if isinstance(body.get(key), list) for each in body[key]]
    shown = tuple(bounded_text(w, _MOST_SHOWN) for w in said[:_MOST_WARNINGS] if isinstance(w, str))
    return parse_as(reply, adapter, body.get("data")), shown


def duration_s(text: str) -> float:
    """Seconds of a duration as Prometheus writes it, such as `1m30s`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        msg = f"{text[:40]!r} is no duration of Prometheus"
        raise ValueError(msg)
    return float(sum(int(n) * unit for n, unit in zip(found.groups(), _UNITS_S, strict=True) if n))


def instant(stamp: float) -> datetime:
    """A time stamp of Prometheus, in seconds since 1970. Raises Unobservable where it is none."""
    if 0 <= stamp < _FARTHEST_S:
        return datetime.fromtimestamp(stamp, UTC)
    raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"Prometheus's clock says {stamp}")

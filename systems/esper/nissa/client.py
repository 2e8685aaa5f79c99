"""Client of Nissa's HTTP API, read-only: liveness, metrics, and the summary of alerts and SLOs."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.esper.nissa.models import CoreAlert, NissaHealth, NissaMetrics, Slo

if TYPE_CHECKING:
    from opsverify.probes.http import Http

__all__ = ["NissaClient"]

_LONGEST_LINE = 16 * 1024
_EXPOSITION_TYPES = ("text/plain", "application/openmetrics-text")


_Count = Annotated[int, Field(ge=0)]
_Rate = Annotated[float, Field(ge=0)]


class _AlertJson(TypedDict):
    metric: str
    value: float
    routes: list[str]


class _SloJson(TypedDict):
    total: _Count
    violations: _Count
    burn_rate: _Rate


class _SummaryJson(TypedDict):
    slo: dict[str, _SloJson]
    alerts: dict[str, _AlertJson]


_SUMMARY = TypeAdapter(_SummaryJson)


class NissaClient:
    """The three documented endpoints (runbook 4, "Nissa")."""

    def __init__(self, http: Http, url: str | None) -> None:
        self._http, self._url = http, url

    def _at(self, path: str) -> str:
        if self._url is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no nissa")
        return f"{self._url}{path}"

    async def health(self) -> NissaHealth:
        """/healthz: 200 with `{"status": "ok"}`. Any other 200 is another program's: unobservable."""
        reply = await self._http.get(self._at("/healthz"), answers={200})
        body = reply.json()
        status = body.get("status") if isinstance(body, dict) else None
        if not isinstance(status, str):
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"/healthz is not Nissa's: {reply.shown()}")
        return NissaHealth(status=reply.status, body=bounded_text(status))

    async def date(self) -> tuple[str, datetime] | None:
        """Nissa's Date header with our own time, or None where it sends none."""
        reply = await self._http.get(self._at("/healthz"), answers={200})
        return (reply.date, datetime.now(UTC)) if reply.date else None

    async def metrics(self) -> NissaMetrics:
        """/metrics, parsed. HTML or JSON is another program's: unobservable."""
        reply = await self._http.get(self._at("/metrics"), answers={200})
        if not reply.content_type.startswith(_EXPOSITION_TYPES):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"/metrics is not a Prometheus exposition: {reply.shown()}"
            )
        if reply.cut:
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, "/metrics is longer than 1 MiB; the rest was not read"
            )
        return parse_exposition(reply.text)

    async def summary(self) -> tuple[tuple[CoreAlert, ...], tuple[Slo, ...]]:
        """/metrics/summary: active alerts and SLOs."""
        reply = await self._http.get(self._at("/metrics/summary"), answers={200})
        try:
            summary = _SUMMARY.validate_python(reply.json(), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            message = f"/metrics/summary does not have the known shape at {'.'.join(map(str, first['loc'])) or 'its top'}: {first['msg']}; {reply.shown()}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None
        if any(s["violations"] > s["total"] for s in summary["slo"].values()):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY,
                f"/metrics/summary counts more violations than samples: {reply.shown()}",
            )
        numbers = [a["value"] for a in summary["alerts"].values()] + [
            s["burn_rate"] for s in summary["slo"].values()
        ]
        if not all(math.isfinite(n) for n in numbers):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY,
                f"/metrics/summary holds a value that is not a number: {reply.shown()}",
            )
        alerts = tuple(
            CoreAlert(name=n, metric=a["metric"], value=a["value"], routes=tuple(a["routes"]))
            for n, a in summary["alerts"].items()
        )
        slos = tuple(
            Slo(name=n, total=s["total"], violations=s["violations"], burn_rate=s["burn_rate"])
            for n, s in summary["slo"].items()
        )
        return alerts, slos


def parse_exposition(text: str) -> NissaMetrics:
    """Families and counters of a Prometheus text exposition, or why it is invalid. Never raises."""
    longest = max(map(len, text.split("\n")))
    if longest > _LONGEST_LINE:  # the parser's time grows with the square of it
        return NissaMetrics(invalid=f"it has a line of {longest} characters", families=(), counters={})
    families: list[str] = []
    counters: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            families.append(family.name)
            if family.type == "counter":
                counters |= {_series(s): float(s.value) for s in family.samples if s.name.endswith("_total")}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        # The parser raises whatever error its string handling runs into.
        return NissaMetrics(
            invalid=bounded_text(f"it does not parse: {type(error).__name__}: {error}"),
            families=(),
            counters={},
        )
    wrong = [name for name, value in counters.items() if not math.isfinite(value) or value < 0]
    if wrong:
        return NissaMetrics(
            invalid=f"{wrong[0]} is {counters[wrong[0]]}, which is not a counter value",
            families=tuple(families),
            counters={},
        )
    if text and not text.endswith("\n"):
        return NissaMetrics(invalid="its last line is incomplete", families=tuple(families), counters={})
    return NissaMetrics(invalid="", families=tuple(families), counters=counters)


def _series(sample: Any) -> str:
    labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name

"""Read-only client of Alertmanager: API v2, and v1 where a server has no v2."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired
from urllib.parse import urlencode

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.prometheus import Moment
from opsverify.probes.replies import basic_login, parse_as
from systems.bzzz.alerting.models import Alert, AlertmanagerStatus, Matcher, Notifications, Silence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsverify.probes.http import Http, Reply
    from systems.bzzz.alerting.target import AlertmanagerTarget

__all__ = ["NO_SUCH_API", "AlertmanagerClient"]

Api = Literal["v2", "v1"]
NO_SUCH_API = (404, 410)
"""HTTP status for an API version that the server does not have (410: no longer has)."""
_OK = 200
_AT_ONCE = 4
"""Requests at a time: on a small machine Alertmanager refuses more than eight in all (--web.get-concurrency)."""
_MOST_LABELS = 30
_BEGIN, _BETWEEN = re.compile(r"\s*\[\s*"), re.compile(r"\s*,\s*")
_COUNTED = re.compile(
    r"^alertmanager_notifications_(failed_)?total\{([^}\n]*)\} (\d+(?:\.\d+)?(?:e\+?\d{1,2})?)$", re.MULTILINE
)
_INTEGRATION = re.compile(r'integration="([\w-]{1,40})"')


class _StatusJson(TypedDict):
    state: Literal["active", "suppressed", "unprocessed"]
    silencedBy: list[str] | None
    inhibitedBy: list[str] | None


class _AlertJson(TypedDict):
    labels: dict[str, str]
    startsAt: Moment
    status: _StatusJson
    receivers: NotRequired[list[Any] | None]


class _MatcherJson(TypedDict):
    name: str
    value: str
    isRegex: bool
    isEqual: NotRequired[bool]


class _StateJson(TypedDict):
    state: Literal["active", "pending", "expired"]


class _SilenceJson(TypedDict):
    id: str
    status: _StateJson
    matchers: list[_MatcherJson]
    startsAt: Moment
    endsAt: Moment
    createdBy: NotRequired[str]
    comment: NotRequired[str]


class _VersionJson(TypedDict):
    version: str


class _ClusterJson(TypedDict):
    status: str


class _ServerJson(TypedDict):
    versionInfo: _VersionJson
    uptime: Moment
    cluster: NotRequired[_ClusterJson | None]
    clusterStatus: NotRequired[_ClusterJson | None]


class _V1Json(TypedDict):
    status: Literal["success"]
    data: Any


_ALERTS: TypeAdapter[list[_AlertJson]] = TypeAdapter(list[_AlertJson])
_SILENCES: TypeAdapter[list[_SilenceJson]] = TypeAdapter(list[_SilenceJson])
_SERVER: TypeAdapter[_ServerJson] = TypeAdapter(_ServerJson)
_V1: TypeAdapter[_V1Json] = TypeAdapter(_V1Json)


class AlertmanagerClient:
    """Alertmanager's HTTP API.

    Every method raises Unobservable: 5xx (server-error), an answer of another shape or above 1 MiB (unexpected-reply),
    no `[bzzz.alertmanager]` in the target (precondition).
    """

    def __init__(self, http: Http, target: AlertmanagerTarget | None) -> None:
        self._http, self._target = http, target
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def alerts(self, *matchers: str) -> tuple[Alert, ...]:
        """Every alert that has not ended, silenced and inhibited ones included, that all matchers choose."""
        alerts, whole = await self.first_alerts(*matchers)
        if not whole:
            message = f"Alertmanager's reply exceeds 1 MiB: only {len(alerts)} alerts were read"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        return alerts

    async def first_alerts(self, *matchers: str) -> tuple[tuple[Alert, ...], bool]:
        """The same, or at least one of them: those that are complete in the first MiB of the reply; and whether they are all."""
        of_v2 = urlencode([("filter", m) for m in matchers])
        of_v1 = urlencode({"filter": f"{{{','.join(matchers)}}}"}) if matchers else ""
        reply, api = await self._newest_api("alerts", of_v2, of_v1)
        cut = api == "v2" and reply.cut
        alerts = _leading(reply.text) if cut else _data(reply, api)
        if cut and not alerts:
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY,
                f"{reply.url}: the reply exceeds 1 MiB and does not begin with an alert",
            )
        return tuple(_alert(a) for a in parse_as(reply, _ALERTS, alerts)), not cut

    async def silences(self) -> tuple[Silence, ...]:
        """Every silence that is in force or will be."""
        reply, api = await self._newest_api("silences")
        silences = parse_as(reply, _SILENCES, _data(reply, api))
        return tuple(_silence(s) for s in silences if s["status"]["state"] != "expired")

    async def server(self) -> AlertmanagerStatus:
        """Version, start and cluster status."""
        reply, api = await self._newest_api("status")
        status = parse_as(reply, _SERVER, _data(reply, api))
        cluster = status.get("cluster") or status.get("clusterStatus") or {"status": ""}
        return AlertmanagerStatus(
            version=bounded_text(status["versionInfo"]["version"], 40),
            api=api,
            started=status["uptime"],
            at=_clock(reply),
            cluster=bounded_text(cluster["status"], 40),
        )

    async def notifications(self) -> Notifications:
        """Notifications sent and failed since its start, by its own /metrics."""
        reply = await self._get("/metrics", {_OK})
        counted: dict[str, dict[str, float]] = {"": {}, "failed_": {}}
        for kind, labels, value in _COUNTED.findall(reply.text):
            integration = _INTEGRATION.search(labels)
            name = integration[1] if integration else "?"
            counted[kind][name] = counted[kind].get(name, 0.0) + float(value)
        if reply.cut or not counted[""]:
            raise Unobservable(
                ErrorKind.EMPTY, f"{reply.url} counts no notifications (alertmanager_notifications_total)"
            )
        return Notifications(sent=counted[""], failed=counted["failed_"])

    async def heard(self) -> str:
        """The page of the receiver, where the target names one: what it was sent."""
        target = self.target
        if target.receiver is None:
            raise Unobservable(
                ErrorKind.PRECONDITION, "the target names no receiver; add [bzzz.alertmanager] receiver"
            )
        return (await self._http.get(target.receiver, answers={_OK})).text

    @property
    def target(self) -> AlertmanagerTarget:
        """The target's part on it. Raises Unobservable where there is none."""
        if self._target is None:
            raise Unobservable(
                ErrorKind.PRECONDITION, "the target configures no alertmanager; add [bzzz.alertmanager] url"
            )
        return self._target

    async def _get(self, path: str, answers: set[int]) -> Reply:
        target = self.target
        login = basic_login(target.username, target.password_env)
        async with self._slots:
            return await self._http.get(f"{target.url}{path}", answers=answers, headers=login)

    async def _newest_api(self, path: str, of_v2: str = "", of_v1: str = "") -> tuple[Reply, Api]:
        """The reply of the newest API that the server has."""
        reply = await self._get(f"/api/v2/{path}{of_v2 and '?'}{of_v2}", {_OK, *NO_SUCH_API})
        if reply.status == _OK:
            return reply, "v2"
        return await self._get(f"/api/v1/{path}{of_v1 and '?'}{of_v1}", {_OK}), "v1"


def _data(reply: Reply, api: Api) -> Any:
    return reply.json() if api == "v2" else parse_as(reply, _V1, reply.json())["data"]


def _leading(text: str) -> list[Any]:
    """The first elements of a JSON list that was cut off."""
    elements: list[Any] = []
    decoder, gap = json.JSONDecoder(), _BEGIN.match(text)
    while gap:
        try:
            one, end = decoder.raw_decode(text, gap.end())
        except (ValueError, RecursionError):
            break
        elements.append(one)
        gap = _BETWEEN.match(text, end)
    return elements


def _clock(reply: Reply) -> datetime:
    """The server's clock by its Date header, else ours."""
    try:
        return parsedate_to_datetime(reply.date).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return datetime.now(UTC)


def _alert(alert: _AlertJson) -> Alert:
    status = alert["status"]
    return Alert(
        name=_line(alert["labels"].get("alertname", ""), 120) or "(no alertname)",
        labels=_bounded(alert["labels"]),
        state=status["state"],
        since=alert["startsAt"],
        silenced_by=_ids(status["silencedBy"]),
        inhibited_by=_ids(status["inhibitedBy"]),
        receivers=_ids([r.get("name") if isinstance(r, dict) else r for r in alert.get("receivers") or []]),
    )


def _silence(silence: _SilenceJson) -> Silence:
    return Silence(
        id=bounded_text(silence["id"], 60),
        state=silence["status"]["state"],
        matchers=tuple(
            Matcher(
                name=bounded_text(m["name"], 80),
                value=bounded_text(m["value"], 200),
                regex=m["isRegex"],
                equal=m.get("isEqual", True),
            )
            for m in silence["matchers"][:_MOST_LABELS]
        ),
        starts=silence["startsAt"],
        ends=silence["endsAt"],
        by=_line(silence.get("createdBy", ""), 80),
        comment=_line(silence.get("comment", ""), 200),
    )


def _ids(values: Iterable[Any] | None) -> tuple[str, ...]:
    return tuple(bounded_text(str(each), 80) for each in list(values or ())[:_MOST_LABELS])


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    return {bounded_text(k, 80): bounded_text(v, 200) for k, v in list(labels.items())[:_MOST_LABELS]}


def _line(text: str, most: int) -> str:
    return bounded_text(" ".join(text.split()), most)

"""A Prometheus and an Alertmanager that watch three agents and are well, but for what a test has them say."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from opsverify.servers.process import LOOPBACK
from systems.bzzz.incidents.alerts import needed_rules
from systems.bzzz.monitoring.target import PrometheusTarget
from tests.hostile.bzzz_looking import section
from tests.hostile.servers import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.bzzz.section import BzzzSection
    from tests.hostile.servers import Act, Play, Stage

__all__ = [
    "AGENTS",
    "CLOCK",
    "NEEDED",
    "ago",
    "alert",
    "alertmanager",
    "as_v1",
    "data",
    "of_agents",
    "prometheus",
    "rule",
    "rules",
    "series",
    "server",
    "silence",
    "target",
    "targets",
    "vector",
    "watched",
]

CLOCK = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
"""Prometheus's own clock, which is not ours."""
AGENTS = ("walnut:9100", "ironwood:9100", "acacia:9100")
_LENGTH = re.compile(r"content-length: (\d+)")
NEEDED = needed_rules(PrometheusTarget(url="http://prometheus:9090"))


def ago(seconds: float) -> str:
    """A moment before Prometheus's clock, in a zone that is not ours."""
    return (CLOCK - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def data(value: Any, **more: Any) -> Act:
    """A success of Prometheus's API."""
    return page({"status": "success", "data": value, **more})


def series(value: object, **labels: object) -> dict[str, Any]:
    """One series of a vector."""
    return {"metric": {"job": "bzzz", **labels}, "value": [CLOCK.timestamp(), value]}


def vector(*found: object, **more: Any) -> Act:
    """The answer to an instant query."""
    return data({"resultType": "vector", "result": list(found)}, **more)


def of_agents(*values: object, **more: Any) -> Act:
    """A value of each agent, as many as there are."""
    return vector(*(series(value, instance=who) for who, value in zip(AGENTS, values, strict=False)), **more)


def target(instance: str, *, job: str = "bzzz", **more: Any) -> dict[str, Any]:
    """What is scraped well, but for `more`."""
    labels = {"job": job, "instance": instance}
    scraped = {"health": "up", "lastError": "", "lastScrape": ago(1), "scrapeInterval": "5s"}
    return {"labels": labels, "scrapeUrl": f"http://{instance}/metrics", **scraped, **more}


def targets(*found: object) -> Act:
    """All that is scraped."""
    return data({"activeTargets": list(found)})


def rule(name: str, **more: Any) -> dict[str, Any]:
    """A rule that is well and calm, but for `more`."""
    told = {"type": "alerting", "query": "x < 1 or absent(x)", "health": "ok", "state": "inactive"}
    return {"name": name, "lastEvaluation": ago(5), "duration": 60, "labels": {}, **told, **more}


def rules(*found: object, interval: object = 15) -> Act:
    """The rules that are loaded, in one group."""
    return data({"groups": [{"name": "bzzz", "interval": interval, "rules": list(found)}]})


_SCRAPED = targets(*(target(who) for who in AGENTS), target("manager:9093", job="alertmanager"))
_WELL: Mapping[str, Act] = {
    "/-/ready": page("ready", kind="text/plain"),
    "status/runtimeinfo": data({"startTime": ago(86400), "lastConfigTime": ago(7200)}),
    "status/buildinfo": data({"version": "2.42.0"}),
    "targets": _SCRAPED,
    "rules": rules(*(rule(name) for name in NEEDED)),
    "alertmanagers": data({"activeAlertmanagers": [{"url": "http://manager:9093/api/v2/alerts"}]}),
    "time()": data({"resultType": "scalar", "result": [CLOCK.timestamp(), str(CLOCK.timestamp())]}),
    "bzzz_system_health_score": of_agents("1", "1", "0.9"),
    "bzzz_component_health_score": of_agents("1", "1", "0.9"),
    "checks_passed": of_agents("2", "2", "2"),
    "checks_failed": of_agents("0", "0", "0"),
    "bzzz_errors_total": of_agents("0", "0", "0"),
    "notifications_failed": vector({"metric": {"integration": "webhook"}, "value": [0, "0"]}),
    "notifications_total": vector({"metric": {"integration": "webhook"}, "value": [0, "4"]}),
    "ALERTS": vector({"metric": {}, "value": [CLOCK.timestamp(), str(CLOCK.timestamp() - 7200)]}),
}


def prometheus(given: Mapping[str, Act] | None = None) -> Play:
    """A Prometheus that says `given`, by a page of its API or by what a query names, and is well in all else."""
    acts = {**_WELL, **(given or {})}

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        url = urlsplit((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode())
        query = parse_qs(url.query).get("query", [""])[0]
        path = url.path.removeprefix("/api/v1/")
        key = next((k for k in acts if k == path or k in query), "")
        await acts.get(key, page({"status": "error", "errorType": "not_found"}, status=404))(writer)
        await writer.drain()

    return play


def alert(name: str | None = "Watchdog", state: str = "active", **labels: object) -> dict[str, Any]:
    """An alert of API v2 and v1."""
    named = {} if name is None else {"alertname": name}
    status = {"state": state, "silencedBy": [], "inhibitedBy": []}
    return {"labels": {**named, **labels}, "startsAt": ago(600), "status": status, "receivers": []}


def silence(*matchers: Mapping[str, object], state: str = "active", **more: Any) -> dict[str, Any]:
    """A silence."""
    told = {"id": "5604a688", "status": {"state": state}, "createdBy": "tony", "comment": "maintenance"}
    return {**told, "startsAt": ago(600), "endsAt": ago(-600), "matchers": list(matchers), **more}


def server(*, age_s: float = 86400, ahead_s: float = 0, cluster: str = "disabled", **more: Any) -> Act:
    """Which Alertmanager it is, and since when, by its own clock."""
    clock = datetime.now(UTC) + timedelta(seconds=ahead_s)
    started = (clock - timedelta(seconds=age_s)).isoformat()
    told = {"versionInfo": {"version": "0.25.0"}, "uptime": started, "cluster": {"status": cluster}, **more}
    return page(told, headers=(f"Date: {format_datetime(clock, usegmt=True)}",))


def alertmanager(given: Mapping[str, Act] | None = None) -> Play:
    """An Alertmanager that says `given` by the pages of its API (`v2/alerts`; `POST v2/alerts` what it answers where one
    is posted), and is well in all else. The Watchdog alone can be asked for (`Watchdog`).
    """
    acts = {
        "v2/status": server(),
        "v2/alerts": page([alert()]),
        "v2/silences": page([]),
        "Watchdog": page([alert()]),
        "POST v2/alerts": page({}),
        **(given or {}),
    }

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        method, address, *_ = head.split(" ")
        await reader.readexactly(int(_LENGTH.findall(head)[0]) if "content-length" in head else 0)
        url = urlsplit(address)
        path = ("" if method == "get" else "POST ") + url.path.removeprefix("/api/").removeprefix("/")
        if path == "v2/alerts" and 'alertname="watchdog"' in parse_qs(url.query).get("filter", []):
            path = "Watchdog"
        await acts.get(path, page("404 page not found", status=404, kind="text/plain"))(writer)
        await writer.drain()

    return play


def as_v1(value: object) -> Act:
    """The same as API v1 wraps it."""
    return page(json.dumps({"status": "success", "data": value}))


def watched(stage: Stage, watcher: Play | None = None, manager: Play | None = None) -> BzzzSection:
    """The section of a target with three nodes, that Prometheus and that Alertmanager; each is well where none is given."""
    return section(
        prometheus={"url": stage.http(watcher or prometheus())},
        alertmanager={"url": stage.http(manager or alertmanager())},
        nodes={who.split(":")[0]: {"host": LOOPBACK, "agent": f"http://{LOOPBACK}:9"} for who in AGENTS},
    )

"""A Prometheus that tells of nodes whatever a test wants: the few paths of its API that capacity is asked by."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.hostile.servers import answer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from tests.hostile.servers import Play

__all__ = ["days", "prometheus"]

JOB = "node"
Told = list[tuple[Any, Any]]


def prometheus(
    told: Mapping[str, Told | bytes], *, nodes: Sequence[str] = ("a",), down: Sequence[str] = ()
) -> Play:
    """`told` is what a query that holds a text is answered with: (node or labels, value) of each series, or raw bytes.
    Of a range query a value is [[instant, value], …]. What holds none of the texts has no series. The first that fits
    counts.
    """

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = urlsplit(head.split(b" ")[1].decode())
        writer.write(_answered(asked.path, parse_qs(asked.query).get("query", [""])[0], told, nodes, down))
        await writer.drain()

    return play


def days(
    count: float, value: float = 0.3, *, slope: float = 0.0, step_s: int = 10800, ago_s: float = 0
) -> list[list[Any]]:
    """A use over so many days, up to `ago_s` before now, that grows by `slope` a day."""
    now = time.time() - ago_s
    instants = [now - step_s * n for n in range(round(count * 86400 / step_s), -1, -1)]
    return [[at, str(value + slope * (at - now) / 86400)] for at in instants]


def _answered(
    path: str, query: str, told: Mapping[str, Told | bytes], nodes: Sequence[str], down: Sequence[str]
) -> bytes:
    if path.endswith("/targets"):
        return _success({"activeTargets": [_target(node, up=node not in down) for node in nodes]})
    if query == "time()":
        return _success({"resultType": "scalar", "result": [time.time(), str(time.time())]})
    found = next((what for text, what in told.items() if text in query), [])
    if isinstance(found, bytes):
        return answer(found)
    if path.endswith("query_range"):
        matrix = [{"metric": _labels(who), "values": values} for who, values in found]
        return _success({"resultType": "matrix", "result": matrix})
    vector = [{"metric": _labels(who), "value": [time.time(), _number(value)]} for who, value in found]
    return _success({"resultType": "vector", "result": vector})


def _labels(who: Any) -> dict[str, str]:
    return {"job": JOB, **(who if isinstance(who, dict) else {"instance": who})}


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(value) if isinstance(value, int | float) else value


def _target(node: str, *, up: bool) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "labels": {"job": JOB, "instance": node},
        "scrapeUrl": f"http://{node}/metrics",
        "health": "up" if up else "down",
        "lastError": "" if up else "connection refused",
        "lastScrape": now,
        "scrapeInterval": "15s",
    }


def _success(data: object) -> bytes:
    return answer(json.dumps({"status": "success", "data": data}).encode())

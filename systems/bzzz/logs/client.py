"""Read-only client of Loki: its query_range API."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NotRequired
from urllib.parse import urlencode

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.replies import basic_login, parse_as
from systems.bzzz.logs.models import LogLine, Logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsverify.probes.http import Http
    from systems.bzzz.logs.target import LokiTarget

__all__ = ["FATAL", "PATTERN", "LokiClient", "sampled"]

PATTERN = "(ERROR|FATAL|panic)"
"""Error lines (runbook, "Service-Specific Logs": grep -E)."""
FATAL = "(FATAL|panic)"
"""Error lines after which a program ends."""
_SAMPLES = 5
_SEEN = 20  # of all lines, whatever they say
_SLACK = timedelta(seconds=1)  # rounding of times that went through a float
_WITHIN = timedelta(seconds=6)
_NS = 1_000_000_000
_LINE = 300


class _StreamJson(TypedDict):
    stream: dict[str, str]
    values: list[tuple[str, str]]


class _DataJson(TypedDict):
    resultType: Literal["streams"]
    result: list[_StreamJson]


class _AnswerJson(TypedDict):
    status: Literal["success"]
    data: _DataJson
    warnings: NotRequired[list[str]]


_ANSWER: TypeAdapter[_AnswerJson] = TypeAdapter(_AnswerJson)


class LokiClient:
    """Queries Loki. Every method raises Unobservable; lines are untrusted, and shown bounded."""

    def __init__(self, http: Http, target: LokiTarget | None) -> None:
        self._http, self._target = http, target

    async def errors(self, window: timedelta, most: int) -> Logs:
        """Error lines of the last `window`, at most `most` of them, and whether any line arrived at all."""
        target = self._there
        end = datetime.now(UTC)
        (matching, more, warnings), (any_, _, more_warnings) = await asyncio.gather(
            self.lines(f'{target.selector} |~ "{PATTERN}"', end - window, end, most),
            self.lines(target.selector, end - window, end, _SEEN),
        )
        return Logs(
            of=target.selector,
            window_s=window.total_seconds(),
            lines=len(any_),
            errors=len(matching),
            fatal=sum(bool(re.search(FATAL, line.text)) for line in matching),
            more=more,
            newest=max((line.at for line in any_ if line.at), default=None),
            samples=sampled(matching),
            warnings=tuple(dict.fromkeys((*warnings, *more_warnings))),
        )

    async def lines(
        self, query: str, start: datetime, end: datetime, most: int
    ) -> tuple[list[LogLine], bool, tuple[str, ...]]:
        """The newest `most` lines of a query, newest first, whether there may be more, and Loki's warnings. Where the reply
        is too large to be read, the newest few.
        """
        parameters = {
            "query": query,
            "start": str(_nanoseconds(start)),
            "end": str(_nanoseconds(end)),
            "limit": str(most),
            "direction": "backward",
        }
        target = self._there
        url = f"{target.url}/loki/api/v1/query_range?{urlencode(parameters)}"
        login = basic_login(target.username, target.password_env)
        reply = await self._http.get(url, answers={200}, headers=login, within=_WITHIN)
        if reply.cut and most > _SEEN:
            few, _, warnings = await self.lines(query, start, end, _SEEN)
            return few, True, warnings
        answer = parse_as(reply, _ANSWER, reply.json())
        try:
            matching = [
                _line(stream, *value) for stream in answer["data"]["result"] for value in stream["values"]
            ]
        except (ValueError, OverflowError, OSError) as error:
            message = bounded_text(f"{target.url}: a line has an invalid timestamp: {error}; {reply.shown()}")
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None
        matching.sort(key=lambda line: line.at or start, reverse=True)
        if (
            matching
            and not start - _SLACK <= (matching[-1].at or start) <= (matching[0].at or start) <= end + _SLACK
        ):
            message = f"{target.url} was asked for lines from {start:%H:%M:%S} to {end:%H:%M:%S} and answered with lines from {matching[-1].at} to {matching[0].at}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
        warnings = tuple(bounded_text(w, 200) for w in answer.get("warnings", ())[:5])
        return matching, len(matching) >= most, warnings

    @property
    def _there(self) -> LokiTarget:
        if self._target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no loki; add [bzzz.loki] url")
        return self._target


def sampled(lines: Sequence[LogLine]) -> tuple[LogLine, ...]:
    """A few of the lines, newest first, those with FATAL or panic before the others."""
    return tuple(sorted(lines, key=lambda line: not re.search(FATAL, line.text))[:_SAMPLES])


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


def _line(stream: _StreamJson, at: str, text: str) -> LogLine:
    return LogLine(
        at=datetime.fromtimestamp(int(at) / _NS, UTC),
        of=bounded_text(", ".join(f"{k}={v}" for k, v in sorted(stream["stream"].items())), 120),
        text=bounded_text(text, _LINE),
    )

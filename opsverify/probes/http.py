"""HTTP: one shared client for probes, another kind for acts; bodies capped, no redirects, every answer named by its caller."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.errors import classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import timedelta

__all__ = ["MOST_BYTES", "Http", "Poster", "Reply", "open_http", "open_poster"]

MOST_BYTES = 1024 * 1024
_SERVER_ERRORS = range(500, 600)
_DENIED = (401, 403)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: at most 1 MiB of the body; `cut` says that there was more; `date` is the server's clock."""

    url: str
    status: int
    content_type: str
    body: bytes
    cut: bool
    date: str = ""

    @property
    def text(self) -> str:
        """The body, decoded leniently."""
        return self.body.decode("utf-8", errors="replace")

    def shown(self) -> str:
        """Status and the beginning of the body, as a finding shows it."""
        return bounded_text(f"{self.status} {self.content_type or '(no content type)'} {self.text[:200]!r}")

    def json(self) -> Any:
        """The body as JSON. Raises Unobservable with what came instead."""
        if self.cut:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{self.url} sent more than {MOST_BYTES} bytes")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"{self.url} did not answer in JSON: {self.shown()}"
            ) from None


class _Asking:
    """Shared by reading and acting: one request, one bounded reply, its status classified."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        answers: frozenset[int] | set[int],
        within: timedelta,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        record_source(f"{method} {url}" if body is None else f"{method} {url} {json.dumps(body)}")
        try:
            async with asyncio.timeout(within.total_seconds()) as limit:
                reply = await self._read(method, url, dict(headers or {}), body)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Unobservable(
                ErrorKind.SILENT, f"{url} gave no complete reply within {within.total_seconds():g} s"
            ) from None
        if reply.status in answers:
            return reply
        if reply.status in _SERVER_ERRORS:
            raise Unobservable(ErrorKind.SERVER_ERROR, f"{url} answered {reply.shown()}")
        if reply.status in _DENIED:
            raise Unobservable(
                ErrorKind.DENIED,
                f"{url} answered {reply.shown()}; give the target credentials that may read it",
            )
        raise Unobservable(
            ErrorKind.UNEXPECTED_REPLY,
            f"{url} answered {reply.shown()}; expected {', '.join(map(str, sorted(answers)))}",
        )

    async def _read(self, method: str, url: str, headers: dict[str, str], sent: Any) -> Reply:
        async with self._session.request(
            method, url, headers=headers, json=sent, allow_redirects=False
        ) as response:
            encoding = response.headers.get("content-encoding", "identity")
            if encoding != "identity":
                reason = f"{url} answered {response.status} with content-encoding {bounded_text(encoding, 40)}, which was not asked for"
                raise Unobservable(ErrorKind.UNEXPECTED_REPLY, reason)
            body = await response.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and (
                more := await response.content.read(MOST_BYTES + 1 - len(body))
            ):
                body += more
            fields = response.headers
            return Reply(
                url,
                response.status,
                fields.get("content-type", ""),
                body[:MOST_BYTES],
                len(body) > MOST_BYTES,
                fields.get("date", ""),
            )


class Http(_Asking):
    """Read-only HTTP. A check's client holds one; all of a run share its connections."""

    async def get(
        self,
        url: str,
        *,
        answers: frozenset[int] | set[int],
        within: timedelta = seconds(3),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """GET `url`. `answers` are the statuses that mean something to the caller; `within` bounds the whole reply.

        Raises:
            Unobservable: a 5xx that is no answer (server-error), 401 or 403 (denied), any other status
                (unexpected-reply), no complete reply in time (silent), or a connection that failed.
        """
        return await self._ask("GET", url, answers=answers, within=within, headers=headers)


class Poster(_Asking):
    """HTTP that makes something happen: only an operator holds one, and nothing is ever sent twice."""

    async def post(
        self,
        url: str,
        body: Any,
        *,
        answers: frozenset[int] | set[int],
        within: timedelta,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """POST `body` as JSON, once; without a body where it is None. `within` bounds the whole reply.

        Raises:
            Unobservable: as for a GET, and where the connection failed or broke. After silent, reset and server-error
                it is not known whether the other side has acted.
        """
        return await self._act("POST", url, answers=answers, within=within, headers=headers, body=body)

    async def delete(
        self,
        url: str,
        *,
        answers: frozenset[int] | set[int],
        within: timedelta,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """DELETE `url`, once; as `post`."""
        return await self._act("DELETE", url, answers=answers, within=within, headers=headers)

    async def _act(self, method: str, url: str, **more: Any) -> Reply:
        try:
            return await self._ask(method, url, **more)
        except (OSError, aiohttp.ClientError) as error:
            raise classify(error) from None


@asynccontextmanager
async def open_http() -> AsyncIterator[Http]:
    """An HTTP client without timeouts of its own: the observation's deadline rules."""
    async with _session(aiohttp.TCPConnector(limit=0)) as session:
        yield Http(session)


@asynccontextmanager
async def open_poster() -> AsyncIterator[Poster]:
    """An HTTP client for one action, on a new connection: one that was kept may be dead."""
    async with _session(aiohttp.TCPConnector(force_close=True)) as session:
        yield Poster(session)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    # A reply that is compressed without being asked stays compressed: it could unpack to any size.
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"accept-encoding": "identity", "user-agent": "opsverify"},
    )

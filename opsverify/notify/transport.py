"""Sending with retries, concurrently and within a bound. A failure is a returned text, never an exception."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from opsverify.model.deadline import seconds
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from opsverify.notify.notification import Post

__all__ = ["ping", "send"]

_Key = TypeVar("_Key")
_CONCURRENT = 8
_TRIES = 4
_FIRST_WAIT = seconds(0.2)
_TIMEOUT = seconds(5)
_TOTAL = seconds(30)
_TOO_MANY = 429
_SERVER_ERROR = 500


class _Request(NamedTuple):
    method: str
    url: str
    body: Any
    headers: Mapping[str, str]
    answers: frozenset[int]


class _Refused(Exception):
    """A reply that a retry would not change."""


class _TryAgain(Exception):
    """No reply, or one that a retry may change."""


async def send(posts: Iterable[Post], within: timedelta = _TOTAL) -> dict[Post, str]:
    """Send `posts`, retrying within `within`. Returns the reason for each that was not accepted."""
    return await _all({p: _Request("POST", p.url, p.body, p.headers, p.answers) for p in posts}, within)


async def ping(url: str, within: timedelta = _TOTAL) -> list[str]:
    """Call a dead man's switch. Returns a warning if it was not accepted."""
    requests = {url: _Request("GET", url, None, {}, frozenset(range(200, 300)))}
    return [
        f"the dead man's switch was not reached: {why}" for why in (await _all(requests, within)).values()
    ]


async def _all(requests: Mapping[_Key, _Request], within: timedelta) -> dict[_Key, str]:
    errors = dict.fromkeys(requests, f"not accepted within {within.total_seconds():g} s")
    slots = asyncio.Semaphore(_CONCURRENT)

    async def one(session: aiohttp.ClientSession, key: _Key) -> None:
        async with slots:
            try:
                await _send_with_retries(session, requests[key])
            except (_Refused, _TryAgain) as error:
                errors[key] = str(error)
            else:
                del errors[key]

    timeout = aiohttp.ClientTimeout(total=_TIMEOUT.total_seconds())
    async with aiohttp.ClientSession(timeout=timeout, headers={"user-agent": "opsverify"}) as session:
        with suppress(TimeoutError):  # `troubles` has those that were not taken by then
            async with asyncio.timeout(within.total_seconds()):
                await asyncio.gather(*(one(session, key) for key in requests))
    return errors


async def _send_with_retries(session: aiohttp.ClientSession, request: _Request) -> None:
    again = AsyncRetrying(
        retry=retry_if_exception_type(_TryAgain),
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(multiplier=_FIRST_WAIT.total_seconds())
        + wait_random(0, _FIRST_WAIT.total_seconds()),
        reraise=True,
    )
    async for attempt in again:
        with attempt:
            await _once(session, request)


async def _once(session: aiohttp.ClientSession, request: _Request) -> None:
    method, url, body, headers, answers = request
    try:
        async with session.request(
            method, url, json=body, headers=headers, allow_redirects=False
        ) as response:
            body_start = (await response.content.read(200)).decode(errors="replace")
            status = response.status
    except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        reason = f"{type(error).__name__}: {bounded_text(str(error), 200)}"
        raise _TryAgain(reason) from None
    if status in answers:
        return
    reason = f"answered {status} {bounded_text(body_start, 200)!r}"
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        raise _TryAgain(reason)
    raise _Refused(reason)

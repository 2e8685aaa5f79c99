"""Replies as they came over the wire, before any decoder saw them: kept while the suite looks, and given again later."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.http import Reply, _Asking
from opsverify.run.gather import Gatherer
from systems.esper.bus.client import BusClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Kept", "given_again", "keeping", "loads", "of_one"]

_MOST_BYTES = 100_000
_TIME = re.compile(r"\d{9,}(?:\.\d+)?")
_of: ContextVar[str] = ContextVar("of", default="")


@dataclass(frozen=True, slots=True)
class Kept:
    """One reply: of which observation, what was asked, when, and what came: of HTTP status, type, date and text; of Redis a value."""

    of: str
    asked: str
    at: str
    came: Any

    @property
    def key(self) -> str:
        """What was asked, without the times in it."""
        return _TIME.sub("#", self.asked)

    @property
    def of_http(self) -> bool:
        """Whether it came by HTTP: then the first word asked is a method, and the second an address."""
        return "://" in self.asked


def plain(value: Any) -> Any:
    """A reply of Redis in JSON's terms."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        return {"pairs": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def loads(value: Any) -> Any:
    """What `plain` wrote."""
    if isinstance(value, list):
        return [loads(each) for each in value]
    if isinstance(value, dict):
        if "bytes" in value:
            return str(value["bytes"]).encode("latin-1")
        return {loads(k): loads(v) for k, v in value.get("pairs", ())}
    return value


@contextmanager
def keeping() -> Iterator[list[Kept]]:
    """Every reply that comes until the block ends, in the order in which they come."""
    kept: list[Kept] = []
    read, ask, look = _Asking._read, BusClient._ask, Gatherer._look

    def keep(asked: str, came: Any) -> None:
        kept.append(Kept(_of.get(), asked, datetime.now(UTC).isoformat(), came))

    async def looking(gatherer: Gatherer, spec: Any, site: Any) -> Any:
        token = _of.set(spec.name)
        try:
            return await look(gatherer, spec, site)
        finally:
            _of.reset(token)

    async def reading(client: _Asking, method: str, url: str, headers: Any, sent: Any) -> Reply:
        reply = await read(client, method, url, headers, sent)
        came = [reply.status, reply.content_type, reply.date, reply.body.decode("latin-1")]
        keep(f"{method} {url} {json.dumps(sent) if sent is not None else ''}".rstrip(), came)
        return reply

    async def asking(client: BusClient, *command: Any, **parsing: Any) -> Any:
        reply = await ask(client, *command, **parsing)
        keep(" ".join(map(str, command)), plain(reply))
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Asking, "_read", reading)
        patch.setattr(BusClient, "_ask", asking)
        patch.setattr(Gatherer, "_look", looking)
        yield kept


def of_one(replies: Sequence[Kept], name: str) -> list[Kept]:
    """The replies that an observation was read from; a reading of Redis it may have shared with another one. None
    where they are many: what a decoder makes of a thousand packets is tried in the tests of units.
    """
    own = [each for each in replies if each.of == name]
    asked_ = {each.key for each in own}
    shared = [each for each in replies if each.key not in asked_ and not each.of_http]
    for found in (own + (shared if any(not each.of_http for each in own) else []), own):
        if sum(len(str(each.came)) for each in found) < _MOST_BYTES:
            return found
    return []


@contextmanager
def given_again(replies: Sequence[Kept], instead: Mapping[int, Any]) -> Iterator[None]:
    """What is asked is answered from these replies, in their order, the last of a question again and again.

    `instead` has other contents for some, by their place. What nobody asked then is silent.
    """
    queues = defaultdict[str, list[Any]](list)
    for number, each in enumerate(replies):
        queues[each.key].append(instead.get(number, each.came))

    def answer(question: str) -> Any:
        record_source(question)
        queue = queues.get(_TIME.sub("#", question))
        if not queue:
            raise Unobservable(ErrorKind.SILENT, f"nobody kept an answer to {question}")
        return queue.pop(0) if len(queue) > 1 else queue[0]

    async def reading(_client: _Asking, method: str, url: str, _headers: Any, sent: Any) -> Reply:
        status, content_type, date, body = answer(
            f"{method} {url} {json.dumps(sent) if sent is not None else ''}".rstrip()
        )
        return Reply(url, status, content_type, body.encode("latin-1"), cut=False, date=date)

    async def asking(_client: BusClient, *command: Any, **_parsing: Any) -> Any:
        return loads(answer(" ".join(map(str, command))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Asking, "_read", reading)
        patch.setattr(BusClient, "_ask", asking)
        yield

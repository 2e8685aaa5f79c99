"""How a notification is sent: stubborn for a while, and never an error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from opsverify.model.deadline import seconds
from opsverify.notify.notification import Post
from opsverify.notify.transport import ping, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Sink:
    """A server that answers with the statuses that it is given, the last one for ever; 0 is no answer."""

    def __init__(self) -> None:
        self.statuses, self.bodies, self.url = [200], list[str](), ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer, and keep what came."""
        self.bodies.append(await request.text())
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if not status:
            request.transport.close() if request.transport else None
        return web.Response(status=status or 200, text="so it is", headers={"location": "/elsewhere"})


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """A server of the test's own, on loopback."""
    made, app = Sink(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/hook"
    yield made
    await runner.cleanup()


def post(url: str) -> Post:
    """A request that tells of a check."""
    return Post(url=url, body={"a": 1}, checks=("L-BLB-1",))


@pytest.mark.parametrize(
    ("statuses", "calls", "why"),
    [
        ([200], 1, ""),
        ([202], 1, ""),
        ([503, 429, 200], 3, ""),
        ([0, 200], 2, ""),
        ([500], 4, "answered 500 'so it is'"),
        ([400, 200], 1, "answered 400 'so it is'"),
        ([404], 1, "answered 404"),
        ([302], 1, "answered 302"),
    ],
)
async def test_tries_again_where_it_may_help(sink: Sink, statuses: list[int], calls: int, why: str) -> None:
    """A server in trouble is asked four times, one that refuses once; a redirect is followed nowhere."""
    sink.statuses = list(statuses)
    asked = post(sink.url)
    troubles = await send([asked])
    assert (len(sink.bodies), sink.bodies[0]) == (calls, '{"a": 1}')
    assert bool(troubles) is bool(why)
    assert why in troubles.get(asked, "")


async def test_each_is_told_by_itself(sink: Sink) -> None:
    """One that cannot be reached does not keep the others from being told."""
    good, bad = post(sink.url), post("http://127.0.0.1:1/nobody")
    troubles = await send([good, bad])
    assert list(troubles) == [bad]
    assert "ClientConnectorError" in troubles[bad]


async def test_it_ends_within_its_bound(sink: Sink) -> None:
    """However stubborn, it ends when its time is over, and says so."""
    sink.statuses = [503]
    start, asked = time.monotonic(), post(sink.url)
    troubles = await send([asked], within=seconds(0.3))
    assert time.monotonic() - start < 10
    assert troubles[asked] == "not accepted within 0.3 s"


async def test_a_dead_mans_switch(sink: Sink) -> None:
    """A ping that is taken says nothing; one that is not is a warning."""
    assert await ping(sink.url) == []
    sink.statuses = [404]
    (warning,) = await ping(sink.url)
    assert warning.startswith("the dead man's switch was not reached: answered 404")

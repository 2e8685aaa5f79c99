"""The operator: armed action by action, honest where only a person can act, and a POST is sent once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from opsverify.model.arming import Arming, NotArmed
from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.operator import ByHand
from opsverify.probes.http import open_poster
from opsverify.servers.process import LOOPBACK, free_port
from systems.statehub.api.target import HttpTarget
from systems.statehub.operator import StateHubOperator
from systems.statehub.section import StateHubSection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SECTION = StateHubSection.model_validate({"limits": {"canary": 1, "canary_slack": 0.2}})
BY_HAND = {
    "start_api": "port 8000",
    "connect_tunnel": "state-hub-railiance01",
    "sync_definitions": "wait --for=condition=complete job/actcore-sync --timeout=180s",
    "reconcile_schedules": "exec deploy/actcore-worker -- python -m activity_core.sync_schedules",
    "restart_worker": "rollout restart deploy/actcore-worker",
    "enable_local_timer": "enable --now custodian-sync.timer",
    "disable_local_timer": "disable --now custodian-sync.timer",
}


def live(*actions: str) -> StateHubOperator:
    """An operator of a live target with these actions armed."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    arming = Arming(target="hub", owned=False, actions=frozenset(actions), expires=expires, confirmed=True)
    return StateHubOperator(SECTION, arming)


@pytest.mark.parametrize(("name", "told"), BY_HAND.items())
def test_on_a_live_target_a_person_is_told_what_to_do(name: str, told: str) -> None:
    """Each step of the runbook that the suite has no way to take says the exact command, and is not taken."""
    with pytest.raises(ByHand) as said:
        asyncio.run(getattr(live(name), name)())
    assert told in str(said.value)


@pytest.mark.parametrize("name", StateHubOperator.actions())
def test_nothing_is_done_that_is_not_armed(name: str) -> None:
    """Every action refuses unless it is armed by its own name, and says which line to add."""
    others = [other for other in StateHubOperator.actions() if other != name]
    with pytest.raises(NotArmed, match=name):
        asyncio.run(getattr(live(*others), name)())


def test_every_action_is_known_here() -> None:
    """No action is without a test of what it tells a person, but the one that can be taken."""
    assert set(StateHubOperator.actions()) == {*BY_HAND, "post_sweep"}


def served(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], ask: Callable[[str], Awaitable[Any]]
) -> Any:
    """What `ask` returns of a server with this handler."""

    async def run() -> Any:
        app, port = web.Application(), free_port()
        app.router.add_post("/consistency/sweep/remote-all", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port).start()
        try:
            return await ask(f"http://{LOOPBACK}:{port}")
        finally:
            await runner.cleanup()

    return asyncio.run(asyncio.wait_for(run(), 20))


async def _post(url: str) -> Any:
    arming = Arming(target="hub", owned=True)
    section = SECTION.model_copy(update={"bridge": HttpTarget(url=url)})
    return await StateHubOperator(section, arming).post_sweep()


def test_the_request_is_the_documented_one() -> None:
    """POST with max_seconds from the limit, and the source that keeps it out of the evidence."""
    bodies: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({})

    served(take, _post)
    assert bodies == [{"max_seconds": 1, "source": "opsverify-canary"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (504, ErrorKind.SERVER_ERROR),
        (403, ErrorKind.DENIED),
        (422, ErrorKind.UNEXPECTED_REPLY),
        (302, ErrorKind.UNEXPECTED_REPLY),
    ],
)
def test_another_status_is_told_and_never_tried_again(status: int, kind: ErrorKind) -> None:
    """A 504 after the bridge's limit, a refusal, a body that is not taken, a redirect: one request each, told apart."""
    count = []

    async def refuse(_request: web.Request) -> web.Response:
        count.append(1)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    with pytest.raises(Unobservable) as told:
        served(refuse, _post)
    assert (told.value.kind, len(count)) == (kind, 1)


def test_a_cut_connection_and_silence_are_told_apart() -> None:
    """A connection cut after the request is a reset, one that stays silent is silent; one request each."""
    count = []

    async def cut(request: web.Request) -> web.Response:
        count.append(1)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def hang(_request: web.Request) -> web.Response:
        count.append(1)
        await asyncio.sleep(10)
        return web.Response()

    for handler, kind in ((cut, ErrorKind.RESET), (hang, ErrorKind.SILENT)):
        with pytest.raises(Unobservable) as told:
            served(handler, _post)
        assert told.value.kind is kind
    assert len(count) == 2


def test_nobody_there_is_refused() -> None:
    """A refusal comes as the engine's word, since nothing was sent."""

    async def ask() -> None:
        async with open_poster() as http:
            await http.post(f"http://{LOOPBACK}:{free_port()}/", {}, answers={200}, within=seconds(2))

    with pytest.raises(Unobservable) as told:
        asyncio.run(ask())
    assert told.value.kind is ErrorKind.REFUSED


def test_a_reply_without_end_is_cut() -> None:
    """A body larger than is read does not fill the memory; it is no answer of a sweep."""

    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with suppress(ConnectionError):
            while True:
                await answer.write(b" " * 65536)
        return answer

    reply = served(flood, _post)
    assert reply.cut
    with pytest.raises(Unobservable):
        reply.json()

"""BZZZ's client and operator against a real Alertmanager, by its newest API and where there is only the old one."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.bzzz.twin.monitoring import Receiver
from opsverify import seconds
from opsverify.model.arming import Arming, NotArmed
from opsverify.model.deadline import eventually
from opsverify.model.operator import Refused
from opsverify.servers.alertmanager import PROGRAM as ALERTMANAGER_PROGRAM
from opsverify.servers.alertmanager import AlertmanagerConfig, AlertmanagerServer
from opsverify.servers.guard import Guard
from systems.bzzz.alerting.client import NO_SUCH_API
from systems.bzzz.alerting.models import Matcher
from systems.bzzz.client import open_bzzz
from systems.bzzz.operator import BzzzOperator
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNED = Arming(target="contract", owned=True)
NAMES = ("OpsverifyMuted", "OpsverifyOther")
UNARMED = Arming(target="contract", owned=False)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        ALERTMANAGER_PROGRAM.find() is None,
        reason="no Alertmanager here: apt-get install prometheus-alertmanager",
    ),
]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """Give the one who is told."""
    folder: Path = tmp_path_factory.mktemp("receiver")
    with Guard() as guard:
        made = Receiver(guard, folder)
        made.wait_ready()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def manager(receiver: Receiver) -> Iterator[str]:
    """Give the address of a real Alertmanager."""
    with Guard() as guard:
        server = AlertmanagerServer.start(config=AlertmanagerConfig(webhook=receiver.url), guard=guard)
        yield server.url
        server.stop()


@pytest.fixture(params=["v2", *(f"v1 only, {status} for v2" for status in NO_SUCH_API)])
def section(request: pytest.FixtureRequest, manager: str, receiver: Receiver) -> Iterator[BzzzSection]:
    """Give a target with that Alertmanager; in front of it, where it has v1 only, somebody who refuses v2."""
    way: str = request.param
    target: dict[str, Any] = {"matchers": ('alertname=~"Opsverify.*"',), "receiver": receiver.url}
    limits = {"notified": 5}
    if way == "v2":
        yield BzzzSection.model_validate({"alertmanager": {"url": manager, **target}, "limits": limits})
        return
    status = int(way.split()[2])

    class OldOnly(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/v2/"):
                self._answer(status, b"gone")
                return
            length = int(self.headers.get("content-length") or 0)
            asked = urllib.request.Request(  # noqa: S310 -- our own address
                manager + self.path,
                data=self.rfile.read(length) if length else None,
                method=self.command,
                headers={"content-type": "application/json"},
            )
            try:
                with urllib.request.urlopen(asked, timeout=5) as reply:  # noqa: S310 -- our own address
                    self._answer(reply.status, reply.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())

        do_POST = do_DELETE = do_GET  # noqa: N815 -- the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
            pass

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), OldOnly) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield BzzzSection.model_validate({"alertmanager": {"url": url, **target}, "limits": limits})
        server.shutdown()


async def test_a_test_alert_goes_its_way_and_ends(
    section: BzzzSection, request: pytest.FixtureRequest
) -> None:
    """A test alert is heard by its receiver, counted, and ended; the server is told apart by its start."""
    async with open_bzzz(section) as client:
        seen = await BzzzOperator(section, client, OWNED).send_test_alert()
        assert (seen.heard, seen.ended) == (True, True)
        assert seen.after.total > seen.before.total
        assert seen.after.total_failed == seen.before.total_failed
        server = await client.alertmanager.server()
        assert server.api == request.node.callspec.params["section"].split()[0]
        assert server.identity.startswith("alertmanager 0.")
        assert abs(server.at - datetime.now(UTC)) < seconds(5)


async def test_a_silence_is_made_seen_and_ended(section: BzzzSection) -> None:
    """A silence has what it was made with, mutes its alert only, and is gone once it was ended."""
    matchers = (Matcher(name="alertname", value="OpsverifyMuted"),)
    async with open_bzzz(section) as client:
        operator, asked = BzzzOperator(section, client, OWNED), client.alertmanager

        async def found() -> dict[str, tuple[str, tuple[str, ...]]]:
            alerts = await asked.alerts(*asked.target.matchers)
            return {a.name: (a.state, a.silenced_by) for a in alerts}

        made = await operator.create_silence(matchers=matchers, within=seconds(60), comment="why")
        try:
            for name in NAMES:
                await operator.post_alert({"alertname": name}, lasts=seconds(60))
            (silence,) = await asked.silences()
            told = (silence.id, silence.state, silence.comment, silence.matchers)
            assert told == (made, "active", "why", matchers)
            # v1 tells what the last notification found, not what is true now.
            await eventually(
                found,
                lambda seen: seen == dict(zip(NAMES, (("suppressed", (made,)), ("active", ())), strict=True)),
                expected="the one muted, the other active",
                within=seconds(5),
            )
        finally:
            assert made in await operator.expire_silence(made)
            for name in NAMES:
                await operator.post_alert({"alertname": name}, lasts=seconds(0))
        assert await asked.silences() == ()


async def test_a_silence_of_everything_is_refused(section: BzzzSection) -> None:
    """Without the name of an alert, or with any, a silence would mute more than what is maintained: nothing is sent."""
    async with open_bzzz(section) as client:
        operator = BzzzOperator(section, client, OWNED)
        for matcher in (
            Matcher(name="instance", value="a"),
            Matcher(name="alertname", value=".*", regex=True),
            Matcher(name="alertname", value="BZZZOne|.*", regex=True),
            Matcher(name="alertname", value="[^x]+", regex=True),
            Matcher(name="alertname", value="BZZZOne", equal=False),
            Matcher(name="alertname", value=""),
        ):
            with pytest.raises(Refused, match="alertname"):
                await operator.create_silence(matchers=(matcher,), within=seconds(60), comment="")
        assert await client.alertmanager.silences() == ()


async def test_nothing_is_done_unarmed(section: BzzzSection) -> None:
    """On a live target that arms nothing each action refuses, and names the line to add."""
    async with open_bzzz(section) as client:
        operator = BzzzOperator(section, client, UNARMED)
        with pytest.raises(NotArmed, match='actions = \\["create_silence"\\]'):
            await operator.create_silence(matchers=(), within=seconds(1), comment="")
        with pytest.raises(NotArmed, match='actions = \\["expire_silence"\\]'):
            await operator.expire_silence("x")
        with pytest.raises(NotArmed, match='actions = \\["send_test_alert"\\]'):
            await operator.send_test_alert()
        with pytest.raises(NotArmed, match='actions = \\["snapshot_prometheus"\\]'):
            await operator.snapshot_prometheus()

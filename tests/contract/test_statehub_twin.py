"""The State Hub twin against the facts, and the client against a PostgreSQL that does not serve as it should."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from fixtures.statehub.twin.history import read, write_back
from fixtures.statehub.twin.site import StateHubTwin, start_twin
from opsverify.model.arming import Arming
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.system import Site
from opsverify.model.verdict import Outcome, Verdict
from opsverify.run.look import connected, judged, observe
from opsverify.servers.process import free_port
from opsverify.target.file import ServersTable
from systems.statehub.activity import observations as activity
from systems.statehub.activity.client import ActivityClient
from systems.statehub.activity.target import ActivityTarget
from systems.statehub.section import StateHubSection
from systems.statehub.sources import observations as sources
from systems.statehub.sweeps import window
from systems.statehub.system import STATEHUB
from tests.declared import checks_declared

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

INTERVAL = timedelta(minutes=15)
CHECKS = [
    check
    for check in checks_declared("statehub").values()
    if not check.drill and "sweep_canary" not in check.asks
]
PASSIVE = [spec for spec in STATEHUB.observations if not spec.active]


@pytest.fixture(scope="module")
def twin() -> Iterator[StateHubTwin]:
    """One twin for all of them."""
    running = start_twin(StateHubSection(), ServersTable(provider="embedded"))
    yield running
    running.stop()


def outcomes(section: StateHubSection) -> dict[str, Outcome]:
    """Every check, judged on fresh observations."""
    return judged(CHECKS, asyncio.run(observed(section)), section.limits)


async def observed(section: StateHubSection) -> dict[str, Any]:
    """Every passive observation."""
    async with connected(STATEHUB, section, arming=Arming(target="test", owned=True)) as site:
        return await observe(site, PASSIVE)


@pytest.mark.parametrize("offset", [0, 0.05, 1, 359, 419.9, 420.1, 421, 899.9])
def test_a_fresh_twin_is_green_at_any_second(
    twin: StateHubTwin, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    """Whenever in the quarter hour a twin is started, all its checks pass."""
    boundary = datetime(2026, 6, 21, 12, tzinfo=UTC)
    moment = boundary + timedelta(seconds=offset)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Clock:
            return cls.fromtimestamp(moment.timestamp(), tz)

    twin.stack.scheduler.stop()
    try:
        with twin.stack.database() as connection:
            last = write_back(connection, twin.stack.events, twin.section, moment, timedelta(hours=25))
        assert last == boundary
        for module in (activity, sources, window):
            monkeypatch.setattr(module, "datetime", Clock)
        section = twin.section
        seen = outcomes(section)
        # Freshness takes "now" from the observation, which is the engine's own clock: judged apart in the unit tests.
        bad = {
            i: o
            for i, o in seen.items()
            if o.verdict is not Verdict.PASS and i not in ("S-PRG-1", "S-PRG-1b", "S-DB-1c")
        }
        assert bad == {}
    finally:
        twin.stack.renew()


def post(url: str, body: dict[str, Any]) -> Any:
    """Ask for a sweep."""
    request = urllib.request.Request(  # noqa: S310 -- our own loopback server
        f"{url}/consistency/sweep/remote-all",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        return json.load(reply)


def test_one_of_two_sweeps_works(twin: StateHubTwin) -> None:
    """Of two sweeps at once exactly one works, the other is skipped by the lock; the event says what the reply said."""
    try:
        replies: list[Any] = []
        asking = [
            threading.Thread(target=lambda: replies.append(post(twin.stack.bridge_url, {"max_seconds": 300})))
            for _ in range(2)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert sorted(r["lock_skipped"] for r in replies) == [False, True]
        details = [e["detail"] for e in read(twin.stack.events)[-2:]]
        assert sorted(map(str, details)) == sorted(map(str, replies))
        assert outcomes(twin.section)["S-ACT-1"].verdict is Verdict.PASS
    finally:
        twin.stack.renew()


def test_a_short_schedule_fires_by_itself(twin: StateHubTwin) -> None:
    """With a schedule of seconds the scheduler makes a run and an event for each instant, and all is green."""
    before = twin.section
    site = Site(system=STATEHUB, section=before, arming=Arming(target="test", owned=True))

    class _Client:
        def with_section(self, _section: StateHubSection) -> _Client:
            return self

    site.client = _Client()
    try:
        twin.quicken(site)
        first = len(read(twin.stack.events))
        end = time.monotonic() + 20
        while len(read(twin.stack.events)) < first + 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert len(read(twin.stack.events)) >= first + 2
        seen = outcomes(twin.section)
        assert {i: o for i, o in seen.items() if o.verdict is not Verdict.PASS} == {}
    finally:
        twin.section = before
        twin.stack.renew(before, sweep=timedelta(milliseconds=200))


def asked(section: StateHubSection) -> ErrorKind | None:
    """How looking at the definition ends."""
    try:
        asyncio.run(asyncio.wait_for(ActivityClient(section).definitions(), 20))
    except Unobservable as seen:
        return seen.kind
    return None


def with_activity(section: StateHubSection, **change: Any) -> StateHubSection:
    """The section with another way to the database."""
    assert section.activity is not None
    return section.model_copy(update={"activity": section.activity.model_copy(update=change)})


def test_each_way_not_to_serve_has_its_name(twin: StateHubTwin) -> None:
    """Wrong password, no password, no such database or host, nobody listening: each is told apart."""
    section = twin.section
    assert section.activity is not None
    url = section.activity.url
    assert asked(section) is None
    assert asked(with_activity(section, password_env=SecretStr("wrong"))) is ErrorKind.DENIED
    assert asked(with_activity(section, password_env=None)) is ErrorKind.CREDENTIAL_MISSING
    assert (
        asked(with_activity(section, url=url.replace("/activity_core", "/other")))
        is ErrorKind.UNEXPECTED_REPLY
    )
    assert asked(with_activity(section, url=f"postgresql://u@127.0.0.1:{free_port()}/x")) is ErrorKind.REFUSED
    assert (
        asked(with_activity(section, url="postgresql://u@no-such-host.invalid/x")) is ErrorKind.NAME_NOT_FOUND
    )
    api = twin.stack.api_url.replace("http://", "postgresql://u@")
    assert asked(with_activity(section, url=f"{api}/x")) in (ErrorKind.UNEXPECTED_REPLY, ErrorKind.RESET)
    columns = section.columns.model_copy(update={"misfire": "no_such_column"})
    assert asked(section.model_copy(update={"columns": columns})) is ErrorKind.UNEXPECTED_REPLY


def test_a_locked_table_is_silent_and_the_loop_goes_on(twin: StateHubTwin) -> None:
    """A statement that waits for a lock ends by the statement timeout, and blocks nothing else meanwhile."""

    async def look() -> tuple[ErrorKind | None, int]:
        ticks = 0
        asking = asyncio.create_task(ActivityClient(twin.section).definitions())
        while not asking.done():
            ticks += 1
            await asyncio.sleep(0.05)
        error = asking.exception()
        return (error.kind if isinstance(error, Unobservable) else None), ticks

    with twin.stack.database() as connection, connection.transaction():
        connection.execute("lock table activity_definitions in access exclusive mode")
        kind, ticks = asyncio.run(look())
    assert kind is ErrorKind.SILENT
    assert ticks > 20


def test_the_client_reads_only_and_says_who_it_is(twin: StateHubTwin) -> None:
    """Even as the owner, in the client's transaction nothing can be written; its name is opsverify."""
    owner = with_activity(twin.section, url=twin.stack.postgres.url, password_env=None)

    async def write() -> Any:
        async with ActivityClient(owner)._reading() as cursor:
            await cursor.execute("select current_setting('application_name') as name")
            row = await cursor.fetchone()
            assert row == {"name": "opsverify"}
            await cursor.execute("delete from activity_runs")

    with pytest.raises(Unobservable, match="read-only transaction"):
        asyncio.run(write())


def test_the_server_is_known_by_cluster_and_start(twin: StateHubTwin) -> None:
    """Its identity is the same twice, and another one after a restart."""
    client = ActivityClient(twin.section)
    first, again = asyncio.run(client.server()), asyncio.run(client.server())
    assert first.identity == again.identity
    twin.stack.postgres.stop()
    twin.stack.postgres.start_again()
    last = asyncio.run(client.server())
    assert last.cluster == first.cluster != ""
    assert last.identity != first.identity


@pytest.mark.parametrize("name", ["activity runs", "a;b", "a.b.c", "1a"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    """Names of tables and columns cannot carry SQL."""
    with pytest.raises(ValueError, match="is not a name of a table or column"):
        StateHubSection.model_validate({"tables": {"runs": name}})


def test_an_address_must_be_postgresqls() -> None:
    """Another scheme is refused with what is right."""
    with pytest.raises(ValueError, match="postgresql://host:port"):
        ActivityTarget(url="mysql://host/db")


def test_what_was_observed_is_saved_without_loss(twin: StateHubTwin) -> None:
    """Each observation of a healthy twin comes back from its saved form as it was."""
    seen = asyncio.run(observed(twin.section))
    for spec in PASSIVE:
        value = seen[spec.name].value
        saved = json.loads(json.dumps(spec.adapter.dump_python(value, mode="json")))
        assert spec.adapter.validate_json(json.dumps(saved)) == value, spec.name


def test_the_preflight_finds_answers(twin: StateHubTwin) -> None:
    """Each of the preflight's questions is answered on a healthy twin."""

    async def ask() -> list[str]:
        async with STATEHUB.connect(twin.section) as client:
            return [await question() for _, _, question in STATEHUB.questions(client)]

    answers = asyncio.run(ask())
    assert len(answers) == 9
    assert all(answers)

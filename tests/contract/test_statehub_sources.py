"""State Hub's stand-ins against the clients that real servers get, and a real standby that is behind its primary."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from temporalio.client import Client

from checks.statehub.activity.criteria import server as server_criteria
from fixtures.statehub.faults.schedule import SchedulePaused
from fixtures.statehub.twin import cluster, schedules
from fixtures.statehub.twin.calendar import Calendar
from fixtures.statehub.twin.history import read
from fixtures.statehub.twin.site import StateHubTwin, start_twin
from opsverify.model.arming import Arming
from opsverify.model.deadline import eventually, seconds
from opsverify.model.observation import ErrorKind, Observation
from opsverify.run.look import connected, observe
from opsverify.servers.guard import Guard
from opsverify.servers.postgres import PostgresServer, login_failure
from opsverify.servers.process import free_port
from opsverify.target.file import ServersTable
from systems.statehub.activity.client import ActivityClient
from systems.statehub.activity.target import ActivityTarget
from systems.statehub.limits import StateHubLimits
from systems.statehub.section import StateHubSection
from systems.statehub.system import STATEHUB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from systems.statehub.activity.models import ActivityServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def twin() -> Iterator[StateHubTwin]:
    """One twin for all of them."""
    running = start_twin(StateHubSection(), ServersTable(provider="embedded"))
    yield running
    running.stop()


def look(section: StateHubSection, name: str) -> Observation[Any]:
    """One observation, as a run makes it."""

    async def gather() -> Observation[Any]:
        async with connected(STATEHUB, section, arming=Arming(target="test", owned=True)) as site:
            return (await observe(site, [s for s in STATEHUB.observations if s.name == name]))[name]

    return asyncio.run(gather())


def test_temporals_own_client_understands_the_stand_in(twin: StateHubTwin) -> None:
    """The whole description, decoded by Temporal's own client: not paused, overlap skip, ten fire times of the grid."""

    async def describe() -> Any:
        client = await Client.connect(twin.stack.temporal_url.removeprefix("grpc://"))
        listed = [entry.id async for entry in await client.list_schedules()]
        handle = client.get_schedule_handle(listed[0])
        return listed, await handle.describe()

    listed, said = asyncio.run(describe())
    assert listed == [twin.section.schedule.id]
    assert not said.schedule.state.paused
    assert said.schedule.policy.overlap.name == "SKIP"
    first = said.info.next_action_times[0]
    assert timedelta(0) < first - datetime.now(UTC) <= STEP
    assert said.info.next_action_times == [first + STEP * n for n in range(10)]


def test_a_namespace_that_is_missing_is_unobservable(twin: StateHubTwin) -> None:
    """Temporal answers that it knows no such namespace: the target is wrong, and told how to mend it."""
    assert twin.section.temporal is not None
    other = twin.section.temporal.model_copy(update={"namespace": "other"})
    for name in ("temporal_frontend", "temporal_schedule"):
        trouble = look(twin.section.model_copy(update={"temporal": other}), name).unobservable
        assert trouble is not None
        assert trouble.kind is ErrorKind.UNEXPECTED_REPLY
        assert "statehub.temporal.namespace" in trouble.seen


def test_a_schedule_is_found_by_its_definitions_id_within_its_own(twin: StateHubTwin) -> None:
    """A schedule whose id holds the definition's id is this definition's; another one is named, and is not."""
    before = schedules.read(twin.stack.schedules)
    own = before[twin.section.schedule.id]
    try:
        named = {f"schedule-{twin.section.schedule.id}": own, "daily-report": own}
        schedules.replace(twin.stack.schedules, named)
        seen = look(twin.section, "temporal_schedule").value
        assert seen.found == (f"schedule-{twin.section.schedule.id}",)
        assert seen.others == ("daily-report",)
    finally:
        schedules.replace(twin.stack.schedules, before)


def test_a_variable_may_come_from_a_config_map_but_not_from_a_secret(twin: StateHubTwin) -> None:
    """The worker's address is followed into a config map; a secret is not read, and that is told."""
    paths, before = cluster.paths(twin.stack.cluster), cluster.read(twin.stack.objects)

    def refer(container: dict[str, Any], **to: Any) -> None:
        container.update(to)

    def changed(**to: Any) -> None:
        cluster.change(
            twin.stack.objects,
            paths["worker"],
            lambda one: refer(one["spec"]["template"]["spec"]["containers"][0], **to),
        )

    variable = twin.stack.cluster.bridge_variable
    name = twin.stack.cluster.bridge_config
    try:
        cluster.change(
            twin.stack.objects, paths["config"], lambda one: one["data"].update({variable: "http://x:1"})
        )
        one = {"name": variable, "valueFrom": {"configMapKeyRef": {"name": name, "key": variable}}}
        changed(env=[one])
        assert look(twin.section, "worker_route").value.url == "http://x:1"
        changed(env=[], envFrom=[{"configMapRef": {"name": name}}])
        assert look(twin.section, "worker_route").value.url == "http://x:1"
        changed(env=[one, {"name": variable, "value": "http://y:2"}])  # of two, Kubernetes takes the last
        assert look(twin.section, "worker_route").value.url == "http://y:2"
        cluster.change(
            twin.stack.objects,
            paths["worker"],
            lambda whole: whole["spec"]["template"]["spec"]["containers"].append(
                {"name": "beside", "env": [{"name": variable, "value": "http://z:3"}]}
            ),
        )
        trouble = look(twin.section, "worker_route").unobservable
        assert trouble is not None
        assert "http://y:2 and http://z:3" in trouble.seen
        cluster.change(
            twin.stack.objects,
            paths["worker"],
            lambda whole: whole["spec"]["template"]["spec"]["containers"].pop(),
        )
        changed(env=[], envFrom=[])
        assert look(twin.section, "worker_route").value.url == ""
        changed(env=[], envFrom=[{"secretRef": {"name": "secrets"}}])
        trouble = look(twin.section, "worker_route").unobservable
        assert trouble is not None
        assert trouble.kind is ErrorKind.PRECONDITION
    finally:
        cluster.replace(twin.stack.objects, before)


def test_a_paused_schedule_really_stops_the_sweeps(twin: StateHubTwin) -> None:
    """With a schedule of two seconds: paused, no more event comes; going on again, they do."""
    schedule = twin.section.schedule.model_copy(update={"cron": "*/2 * * * * *"})
    limits = StateHubLimits.model_validate({"interval": 2, "sweep": 1, "slack": 1, "window": 100})
    short = twin.section.model_copy(update={"schedule": schedule, "limits": limits})
    stack = twin.stack
    try:
        stack.renew(short, sweep=timedelta(milliseconds=50))

        def more(within: float) -> bool:
            first, end = len(read(stack.events)), time.monotonic() + within
            while len(read(stack.events)) == first and time.monotonic() < end:
                time.sleep(0.05)
            return len(read(stack.events)) > first

        assert more(10)
        fault = SchedulePaused(twin, Arming(target="test", owned=True))
        schedules.change(stack.schedules, fault.definition, paused=True)
        time.sleep(2.5)  # what was let before may still be at work
        assert not more(4.5)
        stack.sync_schedules()
        assert more(10)
    finally:
        stack.renew(twin.section, sweep=timedelta(milliseconds=200))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_the_stand_ins_calendar_keeps_the_grid_in_any_zone(zone: str, day: datetime) -> None:
    """Quarter hours are the same instants in every zone, also on the days on which its clocks change."""
    instants = list(Calendar.of("*/15 * * * *", zone).after(day - timedelta(seconds=1)))[:96]
    assert instants == [day + STEP * n for n in range(96)]


@pytest.fixture
def pair() -> Iterator[tuple[PostgresServer, str]]:
    """A primary with a table, and the address of a real standby that applies everything two seconds later."""
    with Guard() as guard:
        primary = PostgresServer.start(origins=("local", "wheel"), guard=guard, database="activity_core")
        if not (primary.bin / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {primary.bin}")
        write(primary, "create table t (n int)")
        port, data = free_port(), primary.sockets / "standby"
        options = ["-d", primary.url, "-D", str(data), "-R", "--checkpoint=fast"]
        primary._run("pg_basebackup", *options, log="backup.log").wait_done(timedelta(seconds=60))
        settings = {
            "port": port,
            "recovery_min_apply_delay": "2s",
            "unix_socket_directories": primary.sockets,
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = primary._run("postgres", "-D", str(data), *chosen, log="standby.log")
        url = primary.url.replace(f":{primary.provided.port}/", f":{port}/")
        process.wait_ready(lambda: login_failure(url), timedelta(seconds=20))
        yield primary, url
        process.stop()
        primary.stop()


def write(primary: PostgresServer, statement: str) -> None:
    """Change something there."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_a_real_standby_tells_how_far_it_is_behind(pair: tuple[PostgresServer, str]) -> None:
    """One that waits before it applies is as far behind as its last transaction is old; once it has, not at all."""
    primary, url = pair
    client = ActivityClient(StateHubSection(activity=ActivityTarget(url=url)))

    def behind(holds: Callable[[timedelta | None], bool]) -> ActivityServer:
        async def wait() -> ActivityServer:
            return await eventually(
                client.server,
                lambda s: holds(s.behind),
                expected="another state of the standby",
                within=seconds(20),
            )

        return asyncio.run(wait())

    write(primary, "insert into t values (1)")
    time.sleep(0.3)  # received, and not yet applied
    assert not server_criteria.current(
        asyncio.run(client.server()), StateHubLimits.model_validate({"standby": 1})
    ).holds
    seen = behind(lambda lag: lag == timedelta(0))
    assert seen.standby
    assert not seen.refuses_writes
    assert server_criteria.current(seen, StateHubLimits()).holds
    write(primary, "insert into t values (2)")
    late = behind(lambda lag: lag is not None and lag > seconds(1.2))
    assert server_criteria.current(late, StateHubLimits.model_validate({"standby": 1})).reason == "behind"
    primary.kill()
    gone = behind(
        lambda lag: lag is not None and lag > seconds(3)
    )  # also when all was applied: nobody brings more
    assert gone.standby


def test_what_is_not_asked_is_not_loaded() -> None:
    """A run without these surfaces does not pay for their libraries."""
    program = (
        "import sys, systems.statehub.system, checks.statehub.schedule.test_schedule; "
        "print([m for m in ('temporalio', 'kubernetes', 'testinfra', 'grpc', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"

"""The embedded twin's subset of Docker's Engine API: versions, ids, times and errors have Docker's shapes, and what it
does not follow is refused, never done in part.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.bzzz.twin.services import start_supervisor
from fixtures.bzzz.twin.supervisor.images import ProcessImage, write_image
from fixtures.bzzz.twin.supervisor.plan import ObjectIds, ServicePlan, SlotPlan
from fixtures.control import serve_control
from opsverify.model.deadline import eventually, seconds
from opsverify.servers.guard import Guard
from opsverify.servers.server import ServerFailed
from systems.bzzz.services.client import ServiceFailed
from systems.bzzz.services.docker_api import open_docker
from systems.bzzz.services.swarm import SwarmClient
from systems.bzzz.services.swarm_operator import SwarmOperator
from systems.bzzz.services.target import ServicesTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fixtures.bzzz.twin.services import Supervisor

SWARM_ID, CONTAINER_ID = r"[0-9a-z]{25}", r"[0-9a-f]{64}"
NANOSECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
NAME = "bzzz-x"
PLAN = ServicePlan(NAME, "app:v1", (SlotPlan("walnut"), SlotPlan("ironwood")), 2, networks=("inside",))
Answer = tuple[int, Any, dict[str, str]]


class Daemon:
    """The stand-in, asked with plain HTTP."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.url = supervisor.manager.replace("docker+tcp", "http")

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Status, JSON (or bytes) and headers of an answer."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)  # noqa: S310 -- on loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            reply = opener.open(request, timeout=10)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            raw, headers = reply.read(), {k.lower(): v for k, v in reply.headers.items()}
        is_json = headers.get("content-type", "").startswith("application/json")
        return reply.status or 0, json.loads(raw) if is_json else raw, headers

    def get(self, path: str) -> Any:
        """The JSON of an answer that is a success."""
        status, told, _ = self.ask("GET", path)
        assert status == 200, told
        return told


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """A manager of two nodes with one service of two tasks on a network."""
    with Guard() as guard:
        running = start_supervisor(guard, guard.folder("opsverify-test-"), ("walnut", "ironwood"))
        write_image(running.images, "app:v1", ProcessImage(("sh", "-c", "echo up; exec sleep 600")))
        running.create_network("inside")
        running.create(PLAN)
        running.wait_running(NAME)
        yield Daemon(running)
        running.stop()


@pytest.fixture
def target(daemon: Daemon) -> ServicesTarget:
    """The manager as a target names it."""
    return ServicesTarget(manager=daemon.supervisor.manager, network="inside")


@pytest.fixture
def spec(daemon: Daemon) -> dict[str, Any]:
    """A specification that the manager takes, for a service of another name."""
    networks = {each["Name"]: each["Id"] for each in daemon.get("/networks")}
    return PLAN.specification(ObjectIds({}, {}, networks)) | {"Name": "bzzz-other"}


def test_it_says_what_it_is(daemon: Daemon) -> None:
    """Its version names a stand-in, and the headers carry the API's version, as a daemon's do."""
    version = daemon.get("/version")
    assert "stand-in for a Swarm manager: processes instead of containers" in version["Platform"]["Name"]
    status, body, headers = daemon.ask("GET", "/_ping")
    assert (status, body, headers["api-version"]) == (200, b"OK", version["ApiVersion"])
    swarm = daemon.get("/info")["Swarm"]
    assert (swarm["LocalNodeState"], swarm["ControlAvailable"], swarm["Nodes"]) == ("active", True, 2)


@pytest.mark.parametrize(
    ("prefix", "status", "words"),
    [
        ("", 200, None),
        ("/v1.24", 200, None),
        ("/v1.41", 200, None),
        ("/v1.99", 400, "client version 1.99 is too new. Maximum supported API version is 1.41"),
        ("/v1.12", 400, "client version 1.12 is too old. Minimum supported API version is 1.24"),
    ],
)
def test_versions_are_negotiated(daemon: Daemon, prefix: str, status: int, words: str | None) -> None:
    """A version that it has is answered, without one its own; others are refused in Docker's words."""
    found, told, _ = daemon.ask("GET", f"{prefix}/nodes")
    assert found == status
    assert words is None or told["message"].startswith(words)


@pytest.mark.parametrize(
    ("asked", "body", "status", "words"),
    [
        ("GET /images/json", None, 501, "GET /images/json"),
        ("POST /v1.41/swarm/init", {}, 501, "swarm/init"),
        ("POST /containers/create", {}, 501, "containers/create"),
        ("GET /services/none", None, 404, "service none not found"),
        ("DELETE /services/none", None, 404, "service none not found"),
        ("GET /secrets/none", None, 404, "secret none not found"),
        ("GET /configs/none", None, 404, "config none not found"),
        ("GET /nodes/none", None, 404, "node none not found"),
        ("GET /networks/none", None, 404, "network none not found"),
        ("GET /tasks/none", None, 404, "task none not found"),
        ("GET /containers/none/json", None, 404, "No such container: none"),
        ("GET /exec/none/json", None, 404, "No such exec instance: none"),
        ('GET /services?filters={"label":["a"]}', None, 501, "the filter label"),
        ("GET /services?filters=[", None, 400, "invalid filter"),
        ("GET /containers/json?all=1", None, 501, "all=1"),
        ("GET /containers/json?limit=x", None, 501, "limit of containers, x"),
        ("POST /secrets/create", {"Name": "big", "Data": "x" * 3_000_000}, 413, "body size"),
        ("POST /configs/create", {"Name": "odd", "Data": "eA==", "Labels": 3}, 400, "Labels: 3"),
        ("POST /networks/create", {"Name": "n", "Driver": "overlay", "Labels": 3}, 500, "TypeError"),
        (f"GET /services/{NAME}/logs", None, 400, "you must choose at least one stream"),
        (f"GET /services/{NAME}/logs?stdout=1", None, 501, "two streams"),
        (f"GET /services/{NAME}/logs?stdout=1&stderr=1&follow=1", None, 501, "follow=1"),
        ("POST /services/create", b"{", 400, "invalid JSON"),
        ("POST /services/create", [], 400, "invalid JSON"),
        ("POST /services/create", {}, 400, "Name"),
        (f"POST /services/{NAME}/update", {}, 400, "invalid service version ''"),
        ("POST /secrets/create", {"Name": "a b", "Data": "eA=="}, 400, "invalid name"),
        ("POST /secrets/create", {"Name": "empty", "Data": ""}, 400, "must be larger than 0"),
        ("POST /configs/create", {"Name": "odd", "Data": "%"}, 400, "illegal base64"),
        ("POST /secrets/create", {"Name": "x", "Data": "eA==", "Driver": {"Name": "y"}}, 501, "Driver"),
        ("POST /networks/create", {"Name": "b", "Driver": "bridge"}, 501, "overlays only"),
        ("POST /networks/create", {"Name": "inside", "Driver": "overlay"}, 409, "already exists"),
    ],
)
def test_what_is_not_there_is_refused(
    daemon: Daemon, asked: str, body: object, status: int, words: str
) -> None:
    """Every refusal has a status and a message; nothing that is not followed is answered as if it were."""
    method, path = asked.split(" ", 1)
    found, told, _ = daemon.ask(method, path, body)
    assert (found, list(told)) == (status, ["message"])
    assert words in told["message"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Mode": {"Replicated": {"Replicas": 0}}}, 201),
        ({"Mode": {"Global": {}}}, 501),
        ({"Mode": {"Replicated": {"Replicas": 3}}}, 501),
        ({"Mode": {"Replicated": {"Replicas": "two"}}}, 400),
        ({"EndpointSpec": {"Mode": "vip"}}, 501),
        ({"EndpointSpec": None}, 501),
        ({"EndpointSpec": {"Mode": ""}}, 501),
        ({"UpdateConfig": {"Order": "start-first"}}, 501),
        ({"UpdateConfig": {"Parallelism": -1}}, 400),
        ({"Labels": {}}, 501),
        ({"Name": "no name"}, 400),
        ({"Name": NAME}, 409),
        ({"TaskTemplate": {"ContainerSpec": {"Image": "app:v1", "Mounts": [{"Target": "/x"}]}}}, 501),
        ({"TaskTemplate": {"ContainerSpec": {"Image": "app:v1"}, "Networks": [{"Target": "none"}]}}, 404),
        ({"TaskTemplate": {"ContainerSpec": {}}}, 400),
    ],
)
def test_a_specification_is_followed_or_refused(
    daemon: Daemon, spec: dict[str, Any], change: dict[str, Any], status: int
) -> None:
    """What a specification asks for is done as a whole, or none of it: a refused one leaves no service."""
    before = daemon.supervisor.names("services")
    found, told, _ = daemon.ask("POST", "/services/create", spec | change)
    assert found == status, told
    if status == 201:
        assert daemon.ask("DELETE", f"/services/{told['ID']}")[0] == 200
    assert daemon.supervisor.names("services") == before


def test_ids_and_times_have_docker_s_shapes(daemon: Daemon) -> None:
    """Ids are Swarm's or containers', and times carry nanoseconds and their zone."""
    (service,) = daemon.get('/services?filters={"name":["bzzz"]}&status=true')
    tasks = daemon.get(f'/tasks?filters={{"service":{{"{service["ID"]}":true}}}}')
    nodes, networks = daemon.get("/nodes"), daemon.get("/networks")
    containers = daemon.get("/containers/json")
    swarm_ids = [service["ID"], *(each["ID"] for each in (*tasks, *nodes)), networks[0]["Id"]]
    assert all(re.fullmatch(SWARM_ID, each) for each in swarm_ids)
    assert {t["Status"]["ContainerStatus"]["ContainerID"] for t in tasks} == {c["Id"] for c in containers}
    assert all(re.fullmatch(CONTAINER_ID, each["Id"]) for each in containers)
    times = [service["CreatedAt"], *(t["Status"]["Timestamp"] for t in tasks), nodes[0]["CreatedAt"]]
    assert all(re.fullmatch(NANOSECONDS, each) for each in times)
    assert service["ServiceStatus"] == {"RunningTasks": 2, "DesiredTasks": 2, "CompletedTasks": 0}
    assert {t["NodeID"] for t in tasks} == {n["ID"] for n in nodes}
    assert daemon.get(f"/services/{service['ID'][:12]}")["ID"] == service["ID"]


def test_a_write_that_comes_too_late_is_refused(daemon: Daemon, spec: dict[str, Any]) -> None:
    """An update of a version that is not the newest is out of sequence, in the words that clients look for."""
    daemon.ask("POST", "/services/create", spec)
    now = daemon.get("/services/bzzz-other")
    version, more = now["Version"]["Index"], spec | {"Labels": {**spec["Labels"], "more": "1"}}
    assert daemon.ask("POST", f"/services/bzzz-other/update?version={version}", more)[0] == 200
    status, told, _ = daemon.ask("POST", f"/services/bzzz-other/update?version={version}", spec)
    assert (status, told["message"]) == (500, "rpc error: code = Unknown desc = update out of sequence")
    after = daemon.get("/services/bzzz-other")
    assert (after["Spec"]["Labels"]["more"], after["PreviousSpec"] == now["Spec"]) == ("1", True)
    assert "UpdateStatus" not in after  # no task was replaced: its template is the same
    renamed = daemon.ask("POST", f"/services/bzzz-other/update?version={after['Version']['Index']}", {**spec, "Name": "z"})  # fmt: skip
    assert renamed[0] == 501
    daemon.supervisor.remove("bzzz-other")


def test_a_secret_s_payload_is_never_told(daemon: Daemon) -> None:
    """A config is told with its payload, a secret without; one in use stays."""
    for kind in ("secrets", "configs"):
        daemon.supervisor.store(kind, "word", b"hidden")
        told = daemon.get(f"/{kind}/word")
        assert ("aGlkZGVu" in json.dumps(told)) == (kind == "configs")
    used = ServicePlan("bzzz-uses", "app:v1", (SlotPlan("walnut"),), 1, secrets={"word": "word"})
    daemon.supervisor.create(used)
    with pytest.raises(ServerFailed, match="secret 'word' is in use by the following service: bzzz-uses"):
        daemon.supervisor.drop("secrets", "word")
    daemon.supervisor.remove("bzzz-uses")
    daemon.supervisor.drop("secrets", "word")


async def test_a_task_that_is_cut_off_and_connected_again(tmp_path: Path) -> None:
    """What is cut off is told; connected by hand it is not found by its service's name, as in Docker, until restarted."""
    said: list[str] = []
    ways = tmp_path / "ways.sock"
    commands: dict[str, Callable[..., Any]] = {
        "isolate": lambda node: said.append(f"isolate {node}"),
        "heal": lambda **end: said.append(f"heal {end}"),
    }
    served = await serve_control(ways, commands)
    with Guard() as guard:
        running = await asyncio.to_thread(start_supervisor, guard, guard.folder("opsverify-test-"), ["walnut", "ironwood"], ways)  # fmt: skip
        write_image(running.images, "app:v1", ProcessImage(("sleep", "600")))
        running.create_network("inside")
        running.create(PLAN)
        running.wait_running(NAME)
        target = ServicesTarget(manager=running.manager, network="inside")
        client, operator, tasks = SwarmClient(target), SwarmOperator(target), (f"{NAME}.1", f"{NAME}.2")
        await operator.disconnect(NAME, "inside")
        assert [(each.cut, each.unlisted) for each in await client.networks()] == [(tasks, ())]
        assert sorted(said) == ["isolate ironwood", "isolate walnut"]
        await operator.connect(NAME, "inside")
        assert [(each.cut, each.unlisted) for each in await client.networks()] == [((), tasks)]
        assert "heal {'from': 'walnut'}" in said
        await operator.restart(NAME)
        assert [(each.cut, each.unlisted) for each in await client.networks()] == [((), ())]
        running.stop()
    served.close()


async def test_where_nothing_can_be_cut_nothing_is(target: ServicesTarget) -> None:
    """Without ways between the nodes nothing is cut, and nobody is told that it was."""
    with pytest.raises(ServiceFailed, match="there is no network between the nodes"):
        await SwarmOperator(target).disconnect(NAME, "inside")
    (network,) = await SwarmClient(target).networks()
    assert (network.services, network.cut, network.unlisted) == ((NAME,), (), ())


async def test_lines_come_in_frames_with_their_times(daemon: Daemon, target: ServicesTarget) -> None:
    """A service's log is in Docker's frames, each line with a time, as many of each task as were asked for."""
    query = f"/services/{NAME}/logs?stdout=1&stderr=1&timestamps=1&tail=1"
    lines = await eventually(
        lambda: SwarmClient(target).logs(NAME, since=seconds(600), most=10),
        lambda found: len(found) == 2,
        expected="a line of each task",
        within=seconds(5),
    )
    raw = daemon.ask("GET", query)[1]
    assert lines == ("up", "up")
    assert re.fullmatch(rb"\x01\0\0\0\0\0\0" + rb"." + NANOSECONDS.encode() + rb" up\n", raw[: len(raw) // 2])
    assert daemon.ask("GET", f"{query}&since=99999999999")[1] == b""


async def test_an_exec_is_started_once(daemon: Daemon, target: ServicesTarget) -> None:
    """A command's two streams come in frames, its status afterwards; a program that is not there is told by 127."""
    ran = await SwarmOperator(target).run(
        NAME, ["sh", "-c", "echo out; echo err >&2; exit 3"], within=seconds(5)
    )
    assert (sorted(ran.output.split()), ran.status) == (["err", "out"], 3)
    none = await SwarmOperator(target).run(NAME, ["/none"], within=seconds(5))
    assert none.status == 127
    assert none.output.startswith("OCI runtime exec failed")
    container = daemon.get("/containers/json")[0]["Id"]
    with open_docker(target) as api:
        made = api.sdk.exec_create(container, ["true"])["Id"]
    assert daemon.get(f"/exec/{made}/json")["ExitCode"] is None
    assert daemon.ask("POST", f"/exec/{made}/start", {})[0] == 200
    assert daemon.ask("POST", f"/exec/{made}/start", {})[0] == 409
    assert daemon.get(f"/exec/{made}/json")["ExitCode"] == 0
    assert daemon.ask("POST", f"/containers/{container}/exec", {"Cmd": ["true"], "User": "root"})[0] == 501

"""A Docker that is locked, has lost its leader, is no manager, is too old, talks nonsense, says nothing, or too much."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.services import docker_api as api_module
from systems.bzzz.services import swarm_operator as operator_module
from systems.bzzz.services.client import ServiceFailed
from systems.bzzz.services.models import ServiceSeen
from systems.bzzz.services.swarm import SwarmClient
from systems.bzzz.services.swarm_operator import SwarmOperator
from systems.bzzz.services.target import ServicesTarget
from tests.hostile.servers import Stage, http, page, resets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}
LOCKED = 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'
NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."
NO_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
AT = "2026-01-01T00:00:00.123456789Z"


@contextmanager
def daemon(folder: Path, replies: Mapping[str, tuple[int, Any]]) -> Iterator[ServicesTarget]:
    """A socket that answers paths, each by its beginning, with a status and JSON, or with bytes as they are."""
    path = folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=_serve, args=(listener, replies), daemon=True).start()
        yield ServicesTarget(manager=f"docker+unix://{path}")
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, replies: Mapping[str, tuple[int, Any]]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, replies), daemon=True).start()


def _answer(connection: socket.socket, replies: Mapping[str, tuple[int, Any]]) -> None:
    with connection, suppress(ConnectionResetError):
        while request := connection.recv(65536):
            path = request.split(b" ")[1].decode()
            path = path.removeprefix("/v1.41")
            status, body = next(
                (told for begin, told in replies.items() if path.startswith(begin)), (404, {})
            )
            if status == 0:
                time.sleep(10)
                return
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = (
                f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
            )
            try:
                connection.sendall(head.encode() + raw)
            except OSError:
                return


def service(**more: Any) -> dict[str, Any]:
    """One service as the API tells it."""
    container = {"Image": "bzzz:1", "Env": ["A=b=c", "D"], "Secrets": None, **more.pop("container", {})}
    return {
        "ID": "s1",
        "UpdatedAt": AT,
        "Spec": {
            "Name": "bzzz-v2_bzzz-agent",
            "TaskTemplate": {"ContainerSpec": container, "Networks": [{"Target": "n1"}]},
            "Mode": {"Replicated": {"Replicas": 3}},
            **more,
        },
    }


def task(number: int = 0, state: str = "running", **more: Any) -> dict[str, Any]:
    """One task as the API tells it."""
    status = {
        "Timestamp": AT,
        "State": state,
        "ContainerStatus": {"ContainerID": f"c{number}", "ExitCode": 0},
    }
    return {
        "ID": f"t{number}",
        "ServiceID": "s1",
        "Slot": number + 1,
        "NodeID": "node1",
        "CreatedAt": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
        "DesiredState": "running",
        "Status": status,
        "Spec": {"ContainerSpec": {"Image": "bzzz:1"}},
        **more,
    }


def whole(services: Any, tasks: Any) -> dict[str, tuple[int, Any]]:
    """Answers of a Swarm with these."""
    node = {"ID": "node1", "Description": {"Hostname": "walnut"}, "Status": {"State": "ready"}}
    return {
        "/version": (200, VERSION),
        "/services": (200, services),
        "/tasks": (200, tasks),
        "/nodes": (200, [node]),
        "/networks": (200, [{"Id": "n1", "Name": "bzzz-internal"}]),
    }


async def told(target: ServicesTarget) -> Unobservable:
    """What kept us from the services."""
    with pytest.raises(Unobservable) as refused:
        await SwarmClient(target).services()
    return refused.value


async def services_of(folder: Path, services: Any, tasks: Any) -> tuple[ServiceSeen, ...]:
    """What the client makes of these answers."""
    with daemon(folder, whole(services, tasks)) as target:
        return await SwarmClient(target).services()


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (503, LOCKED, ErrorKind.SERVER_ERROR, "docker swarm unlock"),
        (500, NO_LEADER, ErrorKind.SERVER_ERROR, "quorum lost"),
        (503, NO_MANAGER, ErrorKind.PRECONDITION, "no manager of a swarm"),
        (403, "authorization denied by plugin", ErrorKind.DENIED, "authorization denied"),
        (401, "who are you", ErrorKind.DENIED, "who are you"),
        (500, "something else", ErrorKind.SERVER_ERROR, "something else"),
        (418, "I am a teapot", ErrorKind.UNEXPECTED_REPLY, "teapot"),
    ],
)
async def test_a_swarm_that_refuses_is_told_by_its_reason(
    status: int, message: str, kind: ErrorKind, words: str, tmp_path: Path
) -> None:
    """A locked Swarm, a lost quorum, a node that is no manager and a refusal are told apart, for reading and for acting."""
    replies = {"/version": (200, VERSION), "/": (status, {"message": message})}
    with daemon(tmp_path, replies) as target:
        seen = await told(target)
        with pytest.raises(ServiceFailed, match=words):
            await SwarmOperator(target).restart("bzzz-v2_bzzz-agent")
    assert (seen.kind, words in seen.seen) == (kind, True)


@pytest.mark.parametrize(
    ("version", "kind", "words"),
    [
        ((200, {"ApiVersion": "1.12"}), ErrorKind.PRECONDITION, "too old"),
        ((200, {}), ErrorKind.UNEXPECTED_REPLY, "ApiVersion"),
        ((200, b"<html>Welcome to the proxy</html>"), ErrorKind.UNEXPECTED_REPLY, ""),
        ((502, b"<html>Bad gateway</html>"), ErrorKind.SERVER_ERROR, ""),
    ],
)
async def test_what_is_no_docker_of_today_is_told(
    version: tuple[int, Any], kind: ErrorKind, words: str, tmp_path: Path
) -> None:
    """An API that is too old, and what is no Docker at all, are told so."""
    with daemon(tmp_path, {"/version": version}) as target:
        seen = await told(target)
    assert (seen.kind, words in seen.seen) == (kind, True)


async def test_a_docker_that_is_not_there(tmp_path: Path) -> None:
    """No socket, a socket that nobody listens on, and one that is closed to us have their kinds."""
    path = tmp_path / "docker.sock"
    target = ServicesTarget(manager=f"docker+unix://{path}")
    assert (await told(target)).kind is ErrorKind.REFUSED
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert (await told(target)).kind is ErrorKind.REFUSED
    assert (await told(ServicesTarget(manager="docker+tcp://127.0.0.1:9"))).kind is ErrorKind.REFUSED


@pytest.mark.parametrize("answered", [{}, {"/version": (200, VERSION)}], ids=["at-once", "later"])
async def test_a_docker_that_says_nothing_is_silent(
    answered: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that accepts and does not answer, at once or later, costs its timeout, and is silent; an act on it fails."""
    monkeypatch.setattr(api_module, "SOCKET_S", 1)
    monkeypatch.setattr(operator_module, "_ANSWER_S", 1)
    with daemon(tmp_path, {**answered, "/": (0, None)}) as target:
        begin = time.monotonic()
        assert (await told(target)).kind is ErrorKind.SILENT
        with pytest.raises(ServiceFailed, match=r"timed out|Read timeout"):
            await SwarmOperator(target).restart("bzzz-v2_bzzz-agent")
    assert time.monotonic() - begin < api_module.SOCKET_S + 6


async def test_a_manager_over_tcp_that_breaks_off(stage: Stage) -> None:
    """A manager that resets, refuses or redirects is not observed, for that reason, and an act on it has failed."""
    moved = page(status=302, headers=("Location: http://127.0.0.1:1/",))
    for address, kind in (
        (stage.http(resets), ErrorKind.RESET),
        ("http://127.0.0.1:9", ErrorKind.REFUSED),
        (stage.http(http({"/version": page(VERSION), "/v1.41/services": moved})), ErrorKind.UNEXPECTED_REPLY),
    ):
        target = ServicesTarget(manager=f"docker+tcp://{address.removeprefix('http://')}")
        assert (await told(target)).kind is kind
        with pytest.raises(ServiceFailed):
            await SwarmOperator(target).scale("bzzz-v2_bzzz-agent", 1)


async def test_no_proxy_of_the_environment_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon is asked directly, its version too, whatever proxy is set for others."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    pages = {"/version": page(VERSION), "/v1.41/secrets": page([{"Spec": {"Name": "word"}}])}
    address = stage.http(http(pages)).removeprefix("http://")
    assert await SwarmClient(ServicesTarget(manager=f"docker+tcp://{address}")).secrets() == ("word",)


@pytest.mark.parametrize("reply", [b"<html>", [], {}, {"Id": 3}, {"Id": "e1"}, b"[" * 100_000, None])
async def test_an_act_whose_answers_are_not_understood_has_failed(reply: Any, tmp_path: Path) -> None:
    """A command inside a task of which nobody knows what came of it has failed."""
    replies = {
        **whole([service()], [task()]),
        "/containers/json": (200, [{"Id": "c0"}]),
        "/containers/c0/exec": (201, reply),
        "/exec": (200, reply),
    }
    with daemon(tmp_path, replies) as target, pytest.raises(ServiceFailed):
        await SwarmOperator(target).run("bzzz-v2_bzzz-agent", ["true"], within=timedelta(seconds=0.2))


@pytest.mark.parametrize(
    "services",
    [
        {"message": "an object"},
        [None],
        [{"ID": "s1"}],
        [service(Mode={"Replicated": {"Replicas": "three"}})],
        [service(container={"Env": {"A": "b"}})],
        [service(TaskTemplate="none")],
        None,
        [service(Mode={"Replicated": {"Replicas": float("nan")}})],
        b"",
        b"<html>proxy</html>",
        b"\xff\xfe",
        b"[",
        b"[" * 100_000,
        b'"' + b"x" * (33 * 1024 * 1024) + b'"',
    ],
)
async def test_a_service_of_another_shape_is_an_unexpected_reply(services: Any, tmp_path: Path) -> None:
    """Nothing that a service may look like crashes the reading, and none of it is guessed at."""
    with daemon(tmp_path, whole(services, [])) as target:
        seen = await told(target)
    assert seen.kind is ErrorKind.UNEXPECTED_REPLY
    assert len(seen.seen) < 600


async def test_what_docker_leaves_out_is_absent(tmp_path: Path) -> None:
    """A service with nothing but a name is one without limits, settings, tasks."""
    (seen,) = await services_of(
        tmp_path, [{"ID": "s1", "Spec": {"Name": "bzzz-x", "Mode": {"Global": {}}}}], []
    )
    assert (seen.desired, seen.tasks, seen.update, seen.memory_limit) == (0, (), None, 0)


async def test_a_template_in_a_name_is_a_name(tmp_path: Path) -> None:
    """A template in a service's name or environment is shown as it is, never carried out, and never acted on."""
    name = "bzzz-{{.Node.Hostname}}"
    (seen,) = await services_of(tmp_path, [service(Name=name, container={"Env": ["N={{.Task.Slot}}"]})], [])
    assert (seen.name, seen.environment) == (name, {"N": "{{.Task.Slot}}"})
    with pytest.raises(ServiceFailed, match="no name that Docker gives"):
        await SwarmOperator(ServicesTarget(manager="docker+unix:///nowhere")).restart(name)


async def test_a_thousand_tasks_are_read_in_time(tmp_path: Path) -> None:
    """A service with a thousand ended tasks is read within seconds, the newest first."""
    tasks = [task(n, "shutdown", DesiredState="shutdown") for n in range(1000)]
    begin = time.monotonic()
    (seen,) = await services_of(tmp_path, [service()], tasks)
    assert time.monotonic() - begin < 3
    assert (len(seen.tasks), seen.tasks[0].id, seen.running) == (1000, "t999", ())


async def test_an_exit_code_is_told_of_an_ended_task_only(tmp_path: Path) -> None:
    """A running task has no exit code, whatever Docker's zero says; an ended one has its own."""
    ended = task(1, "failed", DesiredState="shutdown")
    ended["Status"]["ContainerStatus"]["ExitCode"] = 3
    (seen,) = await services_of(tmp_path, [service()], [task(0), ended])
    assert [each.exit_code for each in seen.tasks] == [3, None]


async def test_a_config_that_is_no_base64_is_an_unexpected_reply(tmp_path: Path) -> None:
    """A config whose payload cannot be decoded is not taken for an empty one."""
    replies = {"/version": (200, VERSION), "/configs": (200, [{"Spec": {"Name": "c", "Data": "%%%"}}])}
    with daemon(tmp_path, replies) as target, pytest.raises(Unobservable, match="holds no base64"):
        await SwarmClient(target).configs()

"""What is said where Docker is absent, dead, closed to this user, or not Docker at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opsverify.servers import images
from opsverify.servers.guard import Guard
from opsverify.servers.images import refuse_without_docker
from opsverify.servers.server import ServerFailed

ROOT = Path(__file__).resolve().parents[2]
AS_NOBODY = """
import os
from opsverify.servers.images import refuse_without_docker
if os.geteuid() == 0:
    os.setuid(65534)
refuse_without_docker()
"""


@pytest.mark.parametrize("path", ["with", "without"])
def test_without_docker_everything_is_unknown(tmp_path: Path, path: str) -> None:
    """Without Docker no check passes and none fails: the twin did not start, and the run says why."""
    env = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    ended = smoke(tmp_path, **env, **({"PATH": str(tmp_path)} if path == "without" else {}))
    assert ended.returncode == 12, ended.stdout
    assert f"did not start: Docker is not there: no socket {tmp_path}/no.sock" in ended.stdout
    counts = json.loads((tmp_path / "reports" / "latest" / "report.json").read_bytes())["counts"]
    assert set(counts) <= {"UNKNOWN", "SKIP"}


def smoke(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the smoke profile on containers, as a user would."""
    command = [sys.executable, "-m", "pytest", "--profile", "smoke", "--target", "containers"]
    command += ["-p", "no:cacheprovider", f"--reports={folder / 'reports'}"]
    env = {**os.environ, "OPSVERIFY_STATE": str(folder / "state"), **environment}
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("unix:///nowhere/docker.sock", r"not there: no socket /nowhere/docker.sock; install it \(`apt-get"),
        ("tcp://192.0.2.1:2375", r"DOCKER_HOST is tcp://192.0.2.1:2375; right would be unix:///"),
    ],
)
def test_no_docker_is_told_with_its_cure(host: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Docker that is absent, or on another machine, is told with what to do."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(ServerFailed, match=expected):
        refuse_without_docker()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("no daemon listens", r"is there, but no daemon listens on it; start it"),
        ("silence", r"gave no answer within 0.3 s; look into its log"),
        ("HTTP/1.0 200 OK\r\n\r\nhello", r"is no Docker daemon: it answers b'hello'"),
        ("HTTP/1.0 500 Oh\r\n\r\nbroken", r"failed: GET /_ping: status 500: broken"),
        ("not even HTTP\r\n\r\n", r"the Docker daemon behind .* failed: not even HTTP"),
    ],
)
def test_a_daemon_that_does_not_answer_well_is_told(
    reply: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A dead daemon, a silent one and a stranger on Docker's socket are told apart."""
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(images, "PING_S", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        if reply != "no daemon listens":
            listener.listen()
        answering = threading.Thread(target=_answer, args=(listener, reply))
        if reply.endswith(("\r\n\r\n", "hello", "broken")):
            answering.start()
        with pytest.raises(ServerFailed, match=expected):
            refuse_without_docker()
        if answering.ident:
            answering.join(5)


def _answer(listener: socket.socket, reply: str) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(reply.encode())


def test_a_socket_without_rights_is_told() -> None:
    """A user outside Docker's group is told which group to join."""
    with Guard() as guard, socket.socket(socket.AF_UNIX) as listener:
        path = guard.folder("opsverify-test-") / "docker.sock"
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o000)
        env = {**os.environ, "DOCKER_HOST": f"unix://{path}"}
        asked = subprocess.run(
            [sys.executable, "-c", AS_NOBODY], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
    assert "ServerFailed" in asked.stderr
    assert f"Docker's socket {path} is closed to this user" in asked.stderr
    assert "usermod -aG docker" in asked.stderr

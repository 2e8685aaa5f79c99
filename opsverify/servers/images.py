"""Images of containers: the one that the environment names, the one built here, or the official one."""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass
from urllib.parse import quote

from opsverify.servers.guard_process import DockerConnection, ask_docker, docker_socket
from opsverify.servers.server import ServerFailed

__all__ = [
    "ALERTMANAGER",
    "POSTGRES",
    "PROMETHEUS",
    "REDIS",
    "Image",
    "provide_image",
    "refuse_without_docker",
]

BUILD_SCRIPT = "containers/build-images"
PING_S = 5.0
INSPECT_S = 10.0
PULL_S = 300.0
START_IT = "start it (as root: `dockerd`; or `systemctl start docker`)"


@dataclass(frozen=True, slots=True)
class Image:
    """The names under which one server's image may be had."""

    variable: str
    """Environment variable that names another image."""
    local: str
    """Built from this machine's packages by `containers/build-images`."""
    official: str
    """Pulled where a registry answers."""


REDIS = Image("OPSVERIFY_REDIS_IMAGE", "opsverify/redis:local", "redis:7.2.5-bookworm")
POSTGRES = Image("OPSVERIFY_POSTGRES_IMAGE", "opsverify/postgres:local", "postgres:16.4-bookworm")
PROMETHEUS = Image("OPSVERIFY_PROMETHEUS_IMAGE", "opsverify/prometheus:local", "prom/prometheus:v2.53.2")
ALERTMANAGER = Image(
    "OPSVERIFY_ALERTMANAGER_IMAGE", "opsverify/alertmanager:local", "prom/alertmanager:v0.27.0"
)


def refuse_without_docker() -> None:
    """Raise ServerFailed, saying what to do, unless a Docker daemon answers on this machine."""
    try:
        path = docker_socket()
    except OSError as error:
        raise ServerFailed(str(error)) from None
    try:
        answer = ask_docker("GET", "/_ping", PING_S)
    except (FileNotFoundError, NotADirectoryError):
        msg = f"Docker is not there: no socket {path}; install it (`apt-get install docker.io`) and {START_IT}, or set DOCKER_HOST"
        raise ServerFailed(msg) from None
    except PermissionError:
        msg = f"Docker's socket {path} is closed to this user (uid {os.geteuid()}); join its group (`usermod -aG docker …`, then log in again)"
        raise ServerFailed(msg) from None
    except ConnectionRefusedError:
        msg = f"Docker's socket {path} is there, but no daemon listens on it; {START_IT}"
        raise ServerFailed(msg) from None
    except (OSError, http.client.HTTPException) as error:
        what = (
            f"gave no answer within {PING_S:g} s" if isinstance(error, TimeoutError) else f"failed: {error}"
        )
        msg = f"the Docker daemon behind {path} {what}; look into its log, or end it and {START_IT}"
        raise ServerFailed(msg) from None
    if answer.strip() != b"OK":
        msg = f"what listens on {path} is no Docker daemon: it answers {answer[:100]!r} to /_ping"
        raise ServerFailed(msg)


def provide_image(image: Image) -> str:
    """Name of an image that the daemon has: as the environment says, else built here, else official and pulled.

    Raises:
        ServerFailed: there is none and none can be pulled.
    """
    named = os.environ.get(image.variable)
    if named is None and _is_there(image.local):
        return image.local
    name = named or image.official
    if not _is_there(name):
        trouble = _pull(name)
        if not _is_there(name):
            msg = (
                f"the image {name} does not exist here and cannot be pulled ({trouble}); "
                f"run {BUILD_SCRIPT}, or name an image that exists in {image.variable}"
            )
            raise ServerFailed(msg)
    return name


def _is_there(name: str) -> bool:
    return b'"Id"' in _ask("GET", f"/images/{quote(name)}/json", INSPECT_S)[1]


def _pull(name: str) -> str:
    """Pull an image; the end of what the daemon said. Its status tells nothing, a failure may come in the stream."""
    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    try:
        status, body = _ask("POST", f"/images/create?fromImage={quote(repository)}&tag={quote(tag)}", PULL_S)
    except ServerFailed as failed:
        return str(failed)
    return f"status {status}: {' '.join(body[-300:].decode(errors='replace').split())}"


def _ask(method: str, path: str, timeout_s: float) -> tuple[int, bytes]:
    connection = DockerConnection(docker_socket(), timeout_s)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        msg = f"Docker: {method} {path}: {error}"
        raise ServerFailed(msg) from None
    finally:
        connection.close()

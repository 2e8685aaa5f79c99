"""One Docker daemon, asked through its SDK: over its socket, TCP, TLS or ssh. Blocking, bounded, each answer named."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.errors import classify
from systems.bzzz.services.docker_ssh import ssh_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.api.client import APIClient

    from systems.bzzz.services.target import ServicesTarget

__all__ = ["NOT_FOUND", "DockerApi", "open_docker", "reason"]

SOCKET_S = 4
"""Of one read or write on the daemon's connection; an observation's deadline bounds all of them."""
MOST_BYTES = 32 * 1024 * 1024
"""Of one answer: a thousand tasks are some 3 MB."""
NOT_FOUND = 404
_CHUNK = 16 * 1024
_OK, _DENIED, _SERVER_ERROR = 200, (401, 403), 500
NO_PACKAGE = "BZZZ's Swarm is read through Docker's SDK: pip install 'opsverify[systems]' ({error})"
# What the daemon says, in its own words (moby, daemon/cluster/errors.go), and what it means for a look.
_SAID = (
    ("needs to be unlocked", ErrorKind.SERVER_ERROR, "the swarm is locked; a person unlocks it: docker swarm unlock"),
    ("does not have a leader", ErrorKind.SERVER_ERROR, "the swarm has no leader: too few managers are there (quorum lost)"),
    ("not a swarm manager", ErrorKind.PRECONDITION, "this node is no manager of a swarm; name one in [bzzz.services] manager"),
    ("not part of a swarm", ErrorKind.PRECONDITION, "this node is in no swarm; name a manager in [bzzz.services] manager"),
)  # fmt: skip


class DockerApi:
    """An open daemon: `get` reads a path, `sdk` is the SDK's own client."""

    def __init__(self, sdk: APIClient) -> None:
        self.sdk: Any = sdk  # half of it is untyped

    def get(self, path: str, *, missing: bool = False, **query: Any) -> Any:
        """The JSON behind a path; None where the daemon says that there is none and `missing` is allowed.

        Raises:
            Unobservable: it says anything else, or nothing.
        """
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
        record_source(f"GET {path}" + "".join(f" {key}={value}" for key, value in params.items()))
        return self._meaning(path, *self._read(path, params), missing=missing)

    def read(self, path: str, most: int, **query: str) -> bytes:
        """At most `most` bytes of what is behind a path. Raises Unobservable."""
        record_source(f"GET {path}" + "".join(f" {key}={value}" for key, value in query.items()))
        status, body = self._read(path, query, most)
        if status != _OK:
            self._meaning(path, status, body, missing=False)
        return body[:most]

    def written(self, path: str, body: Any, within_s: float, most: int = 64 * 1024) -> bytes:
        """What a command that was started writes, at most `most` bytes, until it ends or the time is over.

        The SDK's own call takes the timeout off the connection, and waits for ever.
        """
        from urllib3.exceptions import ReadTimeoutError  # noqa: PLC0415 -- an extra's package

        end, output = time.monotonic() + within_s, b""
        url = f"{self.sdk.base_url}/v{self.sdk.api_version}{path}"
        with self.sdk.post(url, json=body, stream=True, timeout=max(within_s, 0.1)) as reply:
            try:
                while time.monotonic() < end and (chunk := reply.raw.read1(_CHUNK)):
                    output = (output + chunk)[:most]
            except ReadTimeoutError:
                pass
        return output

    def _read(self, path: str, params: dict[str, str], most: int = MOST_BYTES) -> tuple[int, bytes]:
        url = f"{self.sdk.base_url}/v{self.sdk.api_version}{path}"
        with self.sdk.get(url, params=params, stream=True, timeout=SOCKET_S, allow_redirects=False) as reply:
            return reply.status_code, reply.raw.read(most + 1, decode_content=False)

    def _meaning(self, path: str, status: int, body: bytes, *, missing: bool) -> Any:
        if len(body) > MOST_BYTES:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{path} sent more than {MOST_BYTES} bytes")
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            shown = bounded_text(body[:200].decode(errors="replace"))
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"{path} answered {status}, not in JSON: {shown!r}"
            ) from None
        if status == _OK:
            return said
        message = said.get("message") if isinstance(said, dict) else None
        if status == NOT_FOUND and missing and isinstance(message, str):
            return None
        raise reason(status, f"{path} answered {status}: {bounded_text(str(message or said), 300)}")


def reason(status: int | None, told: str) -> Unobservable:
    """Why the daemon could not be observed, by the status and the words of its answer."""
    for words, kind, meaning in _SAID:
        if words in told:
            return Unobservable(kind, f"{meaning} ({told})")
    if status in _DENIED:
        return Unobservable(ErrorKind.DENIED, told)
    if status is not None and status >= _SERVER_ERROR:
        return Unobservable(ErrorKind.SERVER_ERROR, told)
    return Unobservable(ErrorKind.UNEXPECTED_REPLY, told)


@contextmanager
def open_docker(target: ServicesTarget, *, within_s: int = SOCKET_S) -> Iterator[DockerApi]:
    """Connect to the daemon of a target (`docker+unix://…`); its connections are closed at the end.

    `within_s` bounds one read or write of the SDK's own calls.

    Raises:
        Unobservable: there is none, it is closed to us, too old, or an error of its came through the body.
    """
    try:
        import docker.errors  # noqa: PLC0415 -- an extra's package, a third of a second
        import requests  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        from systems.bzzz.services.docker_session import DirectClient  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unobservable(ErrorKind.PRECONDITION, NO_PACKAGE.format(error=error)) from None
    try:
        with ssh_way(target) as address:
            _knock(address)
            secured = address.startswith("https://")
            sdk = DirectClient(base_url=address, version="auto", timeout=within_s, tls=secured)
            try:
                yield DockerApi(sdk)
            finally:
                sdk.close()
    except docker.errors.APIError as error:
        raise reason(error.status_code, bounded_text(str(error.explanation or error), 300)) from None
    except docker.errors.InvalidVersion as error:
        told = f"the daemon's API is too old: {error}"
        raise Unobservable(ErrorKind.PRECONDITION, told) from None
    except (docker.errors.DockerException, requests.RequestException, HTTPError, OSError) as error:
        raise _why(error, target.manager) from None


def _knock(address: str) -> None:
    """Connect to a socket file, and no more. Raises OSError. The SDK leaves its own attempt open where it fails."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as tried:
            tried.settimeout(SOCKET_S)
            tried.connect(address.removeprefix("unix://"))


def _why(error: BaseException, manager: str) -> Unobservable:
    each: BaseException | None = error
    while each is not None:
        status = getattr(each, "status_code", None)  # the SDK wraps what came of its first question
        if isinstance(status, int):
            return reason(status, bounded_text(f"{manager}: {' '.join(str(each).split())}", 300))
        for arg in (each, *each.args):
            if isinstance(arg, PermissionError):
                return Unobservable(ErrorKind.DENIED, f"{manager} is closed to this user: {arg}")
            if isinstance(arg, FileNotFoundError):
                return Unobservable(ErrorKind.REFUSED, f"there is no socket {manager}: {arg}")
        each = each.__cause__ or each.__context__
    seen = classify(error)
    if seen.kind is ErrorKind.BROKEN:  # the SDK's own words for an answer that is none of Docker's
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{manager}: {bounded_text(str(error), 300)}")
    return seen

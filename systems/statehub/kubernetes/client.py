"""Client of the Kubernetes API, read-only: Kubernetes' own library with the target's kubeconfig, in a thread."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from opsverify.probes.http import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kubernetes.client import ApiClient

    from systems.statehub.kubernetes.target import KubernetesTarget
    from systems.statehub.section import StateHubSection

__all__ = ["KubernetesClient", "why"]

_CONNECT_S, _READ_S = 3.0, 3.0
_FOUND, _NOT_FOUND, _SERVER_ERRORS = 200, 404, range(500, 600)
_DENIED = (401, 403)
# Texts of urllib3's errors; it keeps the operating system's words.
_BY_TEXT = (
    (r"Connection refused", ErrorKind.REFUSED),
    (r"[Nn]ame or service not known|[Nn]ame resolution|NameResolutionError|nodename nor servname", ErrorKind.NAME_NOT_FOUND),
    (r"certificate has expired", ErrorKind.CERTIFICATE_EXPIRED),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|doesn't match", ErrorKind.UNKNOWN_CA),
    (r"No route to host|[Nn]etwork is unreachable", ErrorKind.NO_ROUTE),
    (r"timed out|TimeoutError", ErrorKind.SILENT),
    (r"reset by peer|Broken pipe|RemoteDisconnected|aborted|IncompleteRead", ErrorKind.RESET),
)  # fmt: skip


def why(error: Exception) -> Unobservable:
    """The engine's error for an exception of the Kubernetes API."""
    text = bounded_text(" ".join(str(error).split()), 300)
    kind = next((k for pattern, k in _BY_TEXT if re.search(pattern, text)), ErrorKind.UNEXPECTED_REPLY)
    return Unobservable(kind, f"{type(error).__name__}: {text}")


class KubernetesClient:
    """Reads single objects and lists. The kubeconfig and Kubernetes' library are loaded with the first request."""

    def __init__(self, section: StateHubSection) -> None:
        self._section, self._lock = section, threading.Lock()
        self._loaded: ApiClient | None = None

    @property
    def target(self) -> KubernetesTarget:
        """The cluster's part of the target. Raises Unobservable if there is none."""
        if self._section.kubernetes is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no kubernetes")
        return self._section.kubernetes

    async def read(self, path: str) -> Any:
        """The object at a path; None if the API says NotFound.

        Raises:
            Unobservable: any other error, or no reply.
        """
        return (await in_thread(self._read, path))[0]

    async def date(self) -> str:
        """The API server's clock: the Date header of its reply."""
        return (await in_thread(self._read, "/version"))[1]

    def _read(self, path: str) -> tuple[Any, str]:
        api = self._client()
        settings = api.configuration.auth_settings().values()
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "opsverify"}
        login = {s["key"]: s["value"] for s in settings if s.get("in") == "header" and s.get("value")}
        record_source(f"GET {path}")
        from urllib3 import Timeout  # noqa: PLC0415 -- comes with Kubernetes' library
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            reply = api.rest_client.pool_manager.request(
                "GET",
                f"{api.configuration.host}{path}",
                headers=headers | login,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=Timeout(connect=_CONNECT_S, read=_READ_S),
            )
            try:
                body = reply.read(MOST_BYTES + 1, decode_content=False)
            finally:
                reply.close()
        except (HTTPError, OSError, ValueError) as error:
            raise why(error) from None
        return _object(path, reply.status, body, login.values()), reply.headers.get("date", "")

    def _client(self) -> ApiClient:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
        return self._loaded

    def _load(self) -> ApiClient:
        # The import takes a fifth of a second.
        from kubernetes.config import ConfigException, new_client_from_config  # noqa: PLC0415
        from yaml import YAMLError  # noqa: PLC0415

        load: Callable[..., ApiClient] = new_client_from_config  # untyped
        path = Path(self.target.kubeconfig).expanduser()
        if not path.is_file():
            message = (
                f"kubeconfig {self.target.kubeconfig} does not exist; set statehub.kubernetes.kubeconfig"
            )
            raise Unobservable(ErrorKind.CREDENTIAL_MISSING, message)
        try:
            return load(str(path), context=self.target.context, persist_config=False)
        except (
            ConfigException,
            YAMLError,
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:
            message = f"kubeconfig {self.target.kubeconfig} cannot be used: {' '.join(str(error).split())}"
            raise Unobservable(ErrorKind.CREDENTIAL_MISSING, bounded_text(message, 300)) from None


def _object(path: str, status: int, body: bytes, secrets: Iterable[str]) -> Any:
    excerpt = body[:4096].decode(errors="replace")
    for secret in secrets:  # credentials of the kubeconfig, unknown to the target's redaction
        for part in (secret, secret.rpartition(" ")[2]):
            excerpt = excerpt.replace(part, "(redacted)")
    shown = bounded_text(f"{path} answered {status} {excerpt[:200]!r}")
    if status in _DENIED:
        message = f"{shown}; the kubeconfig's login has expired or lacks permission"
        raise Unobservable(ErrorKind.DENIED, message)
    if status in _SERVER_ERRORS:
        raise Unobservable(ErrorKind.SERVER_ERROR, shown)
    if status not in (_FOUND, _NOT_FOUND) or len(body) > MOST_BYTES:
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{len(body)} bytes: {shown}")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"not JSON: {shown}") from None
    if not isinstance(document, dict):
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, shown)
    if status == _FOUND:
        return document
    if document.get("reason") != "NotFound":  # a proxy's 404 is not the cluster's
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, shown)
    return None

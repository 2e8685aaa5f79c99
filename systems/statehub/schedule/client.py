"""Client of Temporal, read-only: namespace and schedules, by Temporal's own library."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from systems.statehub.schedule.models import Frontend, Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.client import Client

    from systems.statehub.schedule.target import TemporalTarget
    from systems.statehub.section import StateHubSection

__all__ = ["TemporalClient", "why"]

_CALL = seconds(3)
_MOST_DESCRIBED, _MOST_LISTED, _MOST_NAMED = 3, 200, 20
# gRPC status codes (https://grpc.io/docs/guides/status-codes/), and texts of its Rust client for failed connections.
_BY_STATUS = {
    "UNAVAILABLE": ErrorKind.SERVER_ERROR,
    "INTERNAL": ErrorKind.SERVER_ERROR,
    "RESOURCE_EXHAUSTED": ErrorKind.SERVER_ERROR,
    "DEADLINE_EXCEEDED": ErrorKind.SILENT,
    "CANCELLED": ErrorKind.SILENT,
    "PERMISSION_DENIED": ErrorKind.DENIED,
    "UNAUTHENTICATED": ErrorKind.DENIED,
}
_BY_TEXT = (
    (r"ConnectionRefused|[Cc]onnection refused", ErrorKind.REFUSED),
    (r"dns error|failed to lookup address", ErrorKind.NAME_NOT_FOUND),
    (r"NetworkUnreachable|HostUnreachable|No route to host", ErrorKind.NO_ROUTE),
    (r"CertExpired|certificate has expired|InvalidCertificate\(Expired", ErrorKind.CERTIFICATE_EXPIRED),
    (r"UnknownIssuer|InvalidCertificate|BadSignature", ErrorKind.UNKNOWN_CA),
    (r"code: (PermissionDenied|Unauthenticated)", ErrorKind.DENIED),
    (
        r"ConnectionReset|BrokenPipe|UnexpectedEof|connection closed|connection error|broken pipe",
        ErrorKind.RESET,
    ),
    (r"code: (DeadlineExceeded|Cancelled)|TimedOut|timed out", ErrorKind.SILENT),
)


def why(error: Exception) -> Unobservable:
    """The engine's error for an exception of Temporal's client."""
    text = bounded_text(" ".join(str(error).split()), 300)
    status = getattr(getattr(error, "status", None), "name", "")
    kind = next((k for pattern, k in _BY_TEXT if re.search(pattern, text)), None)
    kind = kind or _BY_STATUS.get(status, ErrorKind.UNEXPECTED_REPLY)
    return Unobservable(kind, f"{status}: {text}".lstrip(": "))


class TemporalClient:
    """Reads namespace and schedules. Temporal's library is loaded, and a connection made, with the first request."""

    def __init__(self, section: StateHubSection) -> None:
        self._section = section
        self._connected: Client | None = None

    async def frontend(self) -> Frontend:
        """Temporal's version, and whether the namespace is there and registered."""
        target, service = self._target(), (await self._client()).workflow_service
        # The import takes a quarter of a second.
        from temporalio.api.enums.v1 import NamespaceState  # noqa: PLC0415
        from temporalio.api.workflowservice.v1 import (  # noqa: PLC0415
            DescribeNamespaceRequest,
            GetSystemInfoRequest,
        )

        record_source(f"GetSystemInfo {target.url}")
        info = await _call(service.get_system_info, GetSystemInfoRequest())
        record_source(f"DescribeNamespace {target.namespace}")
        answer = await _call(service.describe_namespace, DescribeNamespaceRequest(namespace=target.namespace))
        if answer is None or info is None:
            raise self._no_namespace()
        state = NamespaceState.Name(answer.namespace_info.state).removeprefix("NAMESPACE_STATE_")
        return Frontend(version=info.server_version[:40], namespace=target.namespace, state=state)

    async def schedule(self) -> Schedule:
        """The schedule with the target's id, the definition's id or its name; or one whose id contains the definition's."""
        target, promised = self._target(), self._section.schedule
        service = (await self._client()).workflow_service
        from temporalio.api.workflowservice.v1 import (  # noqa: PLC0415 -- see frontend
            DescribeScheduleRequest,
            ListSchedulesRequest,
        )

        record_source(f"ListSchedules in {target.namespace}")
        request = ListSchedulesRequest(namespace=target.namespace, maximum_page_size=_MOST_LISTED)
        listed = await _call(service.list_schedules, request)
        if listed is None:
            raise self._no_namespace()
        names = [entry.schedule_id[:200] for entry in listed.schedules[:_MOST_LISTED]]
        own = [target.schedule, promised.id, promised.name]
        # ListSchedules may lag: the expected ids are described even if they are not listed.
        candidates = dict.fromkeys([*filter(None, own), *(n for n in names if promised.id in n)])
        described: dict[str, Any] = {}
        for name in list(candidates)[: _MOST_DESCRIBED + len(own)]:
            record_source(f"DescribeSchedule {name} in {target.namespace}")
            request_one = DescribeScheduleRequest(namespace=target.namespace, schedule_id=name)
            reply = await _call(service.describe_schedule, request_one)
            if reply is not None:
                described[name] = reply
        others = tuple(n for n in names if n not in described)[:_MOST_NAMED]
        if not described:
            return Schedule.absent(others, promised.id)
        return _read(tuple(described), others, promised.id, next(iter(described.values())))

    def _target(self) -> TemporalTarget:
        if self._section.temporal is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no temporal")
        return self._section.temporal

    def _no_namespace(self) -> Unobservable:
        message = f"Temporal has no namespace {self._target().namespace!r}; set statehub.temporal.namespace"
        return Unobservable(ErrorKind.UNEXPECTED_REPLY, message)

    async def _client(self) -> Client:
        if self._connected is None:
            await in_thread(import_module, "temporalio.client")  # a slow import, outside the event loop
            from temporalio.client import Client  # noqa: PLC0415 -- see frontend
            from temporalio.service import TLSConfig  # noqa: PLC0415

            target = self._target()
            parts, tls = urlsplit(target.url), None
            if target.ca_file is not None:
                tls = TLSConfig(server_root_ca_cert=_bytes_of(target.ca_file))
            key = target.api_key_env.get_secret_value() if target.api_key_env else None
            self._connected = await Client.connect(
                f"{parts.hostname}:{parts.port}",
                namespace=target.namespace,
                lazy=True,
                api_key=key,
                tls=tls or parts.scheme == "grpcs",
            )
        return self._connected


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise Unobservable(ErrorKind.CREDENTIAL_MISSING, f"statehub.temporal.ca_file: {error}") from None


async def _call(method: Callable[..., Awaitable[Any]], request: Any) -> Any:
    """One call, never retried; None if Temporal answers NOT_FOUND."""
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415 -- see frontend

    try:
        return await method(request, retry=False, timeout=_CALL)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise why(error) from None
    except RuntimeError as error:  # how its Rust core reports a failed connection
        raise why(error) from None


def _read(ids: tuple[str, ...], others: tuple[str, ...], definition: str, reply: Any) -> Schedule:
    from temporalio.api.enums.v1 import ScheduleOverlapPolicy  # noqa: PLC0415 -- see frontend

    policy, spec, state, info = reply.schedule.policies, reply.schedule.spec, reply.schedule.state, reply.info
    actions = [_instant(action.schedule_time) for action in info.recent_actions]
    try:
        overlap = ScheduleOverlapPolicy.Name(policy.overlap_policy).removeprefix("SCHEDULE_OVERLAP_POLICY_")
    except ValueError:
        overlap = str(policy.overlap_policy)
    if overlap == "UNSPECIFIED":  # Temporal's default is SKIP
        overlap = "SKIP"
    return Schedule(
        found=ids,
        count=len(ids),
        others=others,
        definition=definition,
        paused=state.paused,
        note=bounded_text(state.notes, 200),
        overlap=overlap.lower(),
        next=tuple(_instant(moment) for moment in info.future_action_times[:_MOST_NAMED]),
        last=max(actions, default=None),
        created=_instant(info.create_time) if info.HasField("create_time") else None,
        jitter=_duration(spec.jitter),
        catchup=_duration(policy.catchup_window),
        missed=info.missed_catchup_window,
        invalid=bounded_text(info.invalid_schedule_error, 200),
    )


def _instant(moment: Any) -> datetime:
    try:
        return moment.ToDatetime(tzinfo=UTC)  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        message = f"Temporal returned the time {moment.seconds} s, which is out of range"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None


def _duration(value: Any) -> timedelta:
    try:
        return value.ToTimedelta()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        return timedelta.max

"""The service manager of a twin of processes, spoken to over HTTP."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from aiohttp import ClientError
from pydantic import TypeAdapter, ValidationError

from opsverify.model.deadline import DeadlinePassed, eventually
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.http import open_http, open_poster
from systems.bzzz.services.client import SUPERVISOR, Ran, ServiceFailed
from systems.bzzz.services.models import NetworkSeen, ServiceSeen, SwarmNode, TaskUse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opsverify.probes.http import Http
    from systems.bzzz.services.target import ServicesTarget

__all__ = ["SupervisorClient", "SupervisorOperator"]

T = TypeVar("T")
_ASKED = timedelta(seconds=5)
_CHANGED = timedelta(seconds=60)
_EVERY = timedelta(milliseconds=50)
_ANSWERS = frozenset({200})
_UNDER_WAY = {"updating", "rollback_started"}
_SERVICES = TypeAdapter(tuple[ServiceSeen, ...])
_NODES = TypeAdapter(tuple[SwarmNode, ...])
_NETWORKS = TypeAdapter(tuple[NetworkSeen, ...])
_USES = TypeAdapter(tuple[TaskUse, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_PAYLOADS = TypeAdapter(dict[str, str])
_RAN = TypeAdapter(dict[str, str | int])


class SupervisorClient:
    """Reads the supervisor."""

    def __init__(self, target: ServicesTarget, http: Http) -> None:
        self._url, self._prefix = target.manager.removeprefix(SUPERVISOR), target.prefix
        self._http = http

    async def services(self) -> tuple[ServiceSeen, ...]:
        """Every service whose name begins with the target's prefix."""
        found = await self._read("services", _SERVICES)
        return tuple(service for service in found if service.name.startswith(self._prefix))

    async def nodes(self) -> tuple[SwarmNode, ...]:
        """The nodes that it believes in."""
        return await self._read("nodes", _NODES)

    async def networks(self) -> tuple[NetworkSeen, ...]:
        """The networks of these services."""
        return await self._read("networks", _NETWORKS)

    async def secrets(self) -> tuple[str, ...]:
        """Names of the secrets."""
        return await self._read("secrets", _NAMES)

    async def configs(self) -> dict[str, bytes]:
        """The configs by name."""
        told = await self._read("configs", _PAYLOADS)
        try:
            return {name: base64.b64decode(payload, validate=True) for name, payload in told.items()}
        except ValueError as error:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"a config is not in base64: {error}") from None

    async def uses(self) -> tuple[TaskUse, ...]:
        """What each running task uses now."""
        return await self._read("uses", _USES)

    async def logs(self, service: str, *, since: timedelta, most: int) -> tuple[str, ...]:
        """The newest lines that a service wrote, oldest first."""
        asked = urlencode({"since_s": since.total_seconds(), "most": most})
        return await self._read(f"services/{quote(service, safe='')}/logs?{asked}", _NAMES)

    async def _read(self, path: str, shape: TypeAdapter[T]) -> T:
        reply = await self._http.get(f"{self._url}/{path}", answers=_ANSWERS)
        try:
            return shape.validate_python(reply.json(), strict=False)
        except (ValidationError, RecursionError) as error:
            why = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error), "loc": ()}
            at = ".".join(map(str, why["loc"]))
            told = bounded_text(
                f"{reply.url} answered what nobody knows: {at}: {why['msg']}; {reply.shown()}"
            )
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None


class SupervisorOperator:
    """Acts on the supervisor; each change is awaited until it has ended."""

    def __init__(self, target: ServicesTarget) -> None:
        self._target, self._url = target, target.manager.removeprefix(SUPERVISOR)

    async def restart(self, service: str) -> str:
        """Every task anew, one after another."""
        await self._post(f"services/{service}/force", {})
        return await self._updated(service)

    async def scale(self, service: str, replicas: int) -> str:
        """Another number of tasks."""

        def there(seen: ServiceSeen) -> bool:
            return seen.desired == len(seen.running) == replicas and not any(
                task.state in {"new", "starting", "running"}
                for task in seen.tasks
                if task not in seen.running
            )

        await self._post(f"services/{service}/scale", {"replicas": replicas})
        await self._until(service, there, f"{replicas} tasks of {service} run, and no other")
        return f"{service} runs {replicas} tasks"

    async def update(self, service: str, *, image: str) -> str:
        """Another image, task by task."""
        await self._post(f"services/{service}/image", {"image": image})
        return await self._updated(service)

    async def replace_secret(self, service: str, *, old: str, new: str, payload: bytes) -> str:
        """A new secret in the place of an old one."""
        return await self._exchange("secrets", service, old, new, payload)

    async def replace_config(self, service: str, *, old: str, new: str, payload: bytes | None) -> str:
        """Another config in the place of an old one; without a payload it is there already."""
        return await self._exchange("configs", service, old, new, payload)

    async def run(self, service: str, command: Sequence[str], *, within: timedelta, node: str = "") -> Ran:
        """Run a command inside a task."""
        body = {"command": list(command), "node": node, "within_s": within.total_seconds()}
        told = await self._post(f"services/{service}/exec", body, within=within + _ASKED)
        try:
            ran = _RAN.validate_python(told)
            return Ran(int(ran["status"]), str(ran["output"]))
        except (ValidationError, KeyError, ValueError) as error:
            msg = f"running {' '.join(command)} in {service}: the answer is not understood: {error}"
            raise ServiceFailed(bounded_text(msg)) from None

    async def disconnect(self, service: str, network: str) -> str:
        """Cut the tasks of a service off a network."""
        await self._post(f"networks/{network}/disconnect", {"service": service})
        return f"{service} is cut off {network}"

    async def connect(self, service: str, network: str) -> str:
        """Connect them again."""
        await self._post(f"networks/{network}/connect", {"service": service})
        return f"{service} is on {network} again"

    async def _exchange(self, kind: str, service: str, old: str, new: str, payload: bytes | None) -> str:
        if payload is not None:
            await self._post(f"{kind}/{new}", {"payload": base64.b64encode(payload).decode()})
        await self._post(f"services/{service}/{kind}", {"old": old, "new": new})
        return f"{new} in the place of {old}; {await self._updated(service)}"

    async def _updated(self, service: str) -> str:
        seen = await self._until(
            service, lambda s: s.update_state not in _UNDER_WAY, f"the update of {service} has ended"
        )
        return f"{service}: {seen.update_state}: {seen.update_message}"

    async def _until(self, service: str, holds: Callable[[ServiceSeen], bool], expected: str) -> ServiceSeen:
        begin = time.monotonic()
        async with open_http() as http:
            client = SupervisorClient(self._target.model_copy(update={"prefix": ""}), http)

            async def look() -> ServiceSeen | None:
                return next((s for s in await client.services() if s.name == service), None)

            try:
                seen = await eventually(
                    look,
                    lambda s: s is not None and holds(s),
                    expected=expected,
                    within=_CHANGED,
                    every=_EVERY,
                    shown=_shown,
                )
            except (DeadlinePassed, Unobservable, OSError, ClientError) as error:
                msg = f"{expected}: not so after {time.monotonic() - begin:.1f} s: {error}"
                raise ServiceFailed(msg) from None
        assert seen is not None  # noqa: S101 -- it holds
        return seen

    async def _post(self, path: str, body: dict[str, Any], within: timedelta = _ASKED) -> Any:
        answers = {200, 400, 404, 408, 409}
        url = f"{self._url}/{quote(path)}"
        try:
            async with open_poster() as poster:
                reply = await poster.post(url, body, answers=answers, within=within)
                told = reply.json()
        except Unobservable as error:
            msg = f"the supervisor: {error}"
            raise ServiceFailed(msg) from None
        if reply.status != 200:  # noqa: PLR2004 -- all others refuse
            why = told.get("message", told) if isinstance(told, dict) else told
            raise ServiceFailed(bounded_text(f"the supervisor refused {path}: {why}"))
        return told


def _shown(seen: ServiceSeen | None) -> str:
    if seen is None:
        return "there is no such service"
    states = ", ".join(f"{t.slot} {t.state}{f' ({t.error})' if t.error else ''}" for t in seen.tasks[:6])
    return f"desired {seen.desired}, update {seen.update_state or 'none'}; tasks {states or 'none'}"

"""Acts on a Docker Swarm through Docker's SDK: the runbook's `docker service update, scale`, `docker exec`, `docker network`."""

from __future__ import annotations

import copy
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from systems.bzzz.services.client import NotEnded, Ran, ServiceFailed
from systems.bzzz.services.docker_api import DockerApi, open_docker
from systems.bzzz.services.docker_logs import unframed
from systems.bzzz.services.swarm import look
from systems.bzzz.services.swarm_models import node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from systems.bzzz.services.swarm_models import SwarmService, SwarmTask
    from systems.bzzz.services.target import ServicesTarget

__all__ = ["SwarmOperator"]

_WITHIN_S, _POLL_S = 300.0, 0.1
_ANSWER_S = 30
"""Of one read or write; a manager that is busy with an update takes its time."""
_AGAIN = 5
_GONE_S = 5.0
"""An update whose status is gone for so long has ended unseen: each later change of a service clears it."""
_MOST_OUTPUT = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_ENDED = {"completed", "paused", "rollback_completed", "rollback_paused"}


class SwarmOperator:
    """Acts on one Swarm through one of its managers."""

    def __init__(self, target: ServicesTarget) -> None:
        self._target = target

    async def restart(self, service: str) -> str:
        """Every task anew. Raises ServiceFailed."""

        def anew(spec: dict[str, Any]) -> None:
            template = spec["TaskTemplate"]
            template["ForceUpdate"] = template.get("ForceUpdate", 0) + 1

        return await in_thread(self._completed, service, anew)

    async def scale(self, service: str, replicas: int) -> str:
        """Another number of tasks; the old ones have ended when it returns. Raises ServiceFailed."""
        return await in_thread(self._scale, service, replicas)

    async def update(self, service: str, *, image: str) -> str:
        """Another image; returns when the update has ended, also when it was rolled back. Raises ServiceFailed."""

        def with_image(spec: dict[str, Any]) -> None:
            spec["TaskTemplate"]["ContainerSpec"]["Image"] = image

        return await in_thread(self._updated, service, with_image)

    async def replace_secret(self, service: str, *, old: str, new: str, payload: bytes) -> str:
        """The secret `new` in the place of `old`. Raises ServiceFailed."""
        return await in_thread(self._replace, "secret", service, old, new, payload)

    async def replace_config(self, service: str, *, old: str, new: str, payload: bytes | None) -> str:
        """The config `new` in the place of `old`; without a payload it is there already. Raises ServiceFailed."""
        return await in_thread(self._replace, "config", service, old, new, payload)

    async def run(self, service: str, command: Sequence[str], *, within: timedelta, node: str = "") -> Ran:
        """Run a command inside a running task. Raises ServiceFailed."""
        return await in_thread(self._run, service, list(command), within.total_seconds(), node)

    async def disconnect(self, service: str, network: str) -> str:
        """Cut the tasks of a service off a network. Raises ServiceFailed."""
        return await in_thread(self._wire, service, network, connect=False)

    async def connect(self, service: str, network: str) -> str:
        """Connect them again, as the runbook does: Docker does not list them under their service's name again before
        they are restarted (`NetworkSeen.unlisted`). Raises ServiceFailed.
        """
        return await in_thread(self._wire, service, network, connect=True)

    @contextmanager
    def _open(self, *names: str) -> Iterator[DockerApi]:
        for name in names:
            if not _NAME.fullmatch(name):
                msg = f"{bounded_text(name, 100)!r} is no name that Docker gives: nothing was done"
                raise ServiceFailed(msg)
        try:
            with open_docker(self._target, within_s=_ANSWER_S) as api:
                yield api
        except Unobservable as error:
            raise ServiceFailed(error.seen) from None
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            msg = f"{self._target.manager}: an answer of another shape than Docker's: {type(error).__name__}: {bounded_text(str(error), 200)}"
            raise ServiceFailed(msg) from error

    def _find(
        self, api: DockerApi, service: str
    ) -> tuple[SwarmService, tuple[SwarmTask, ...], dict[str, str]]:
        swarm = look(api, self._target)
        for each in swarm.services:
            if each.spec.name == service:
                return each, swarm.of(each), swarm.nodes
        msg = f"there is no service {service}; there are: {', '.join(s.spec.name for s in swarm.services) or 'none'}"
        raise ServiceFailed(msg)

    def _here(self, api: DockerApi, service: str, node: str = "") -> list[SwarmTask]:
        """Running tasks with a container on the manager's own node, by slot, only those of `node` if it is named."""
        found, tasks, nodes = self._find(api, service)
        running = sorted((t for t in tasks if t.runs), key=lambda t: t.slot)
        chosen = [t for t in running if not node or node_of(t, found, nodes) == node]
        here = {each["Id"] for each in api.get("/containers/json")}
        reached = [t for t in chosen if t.container in here]
        if not reached:
            seen = ", ".join(f"{t.slot} on {node_of(t, found, nodes)}" for t in running) or "none"
            where = f" on {node}" if node else ""
            msg = f"no running task of {service}{where} can be entered through {self._target.manager}; running: {seen}"
            raise ServiceFailed(msg)
        return reached

    def _change(
        self, api: DockerApi, service: str, change: Callable[[dict[str, Any]], None]
    ) -> tuple[str, dict[str, Any]] | None:
        """Change a service's specification, as it is now; when its last update began before, and what was written.

        None where that changes nothing: Docker begins no update then, and one that is awaited would never end.
        """
        import docker.errors  # noqa: PLC0415 -- an extra's package

        for attempt in range(_AGAIN):
            raw = api.sdk.inspect_service(service)
            spec = copy.deepcopy(raw["Spec"])
            change(spec)
            if spec == raw["Spec"]:
                return None
            try:
                api.sdk.update_service(
                    raw["ID"],
                    raw["Version"]["Index"],
                    task_template=spec["TaskTemplate"],
                    name=spec["Name"],
                    labels=spec.get("Labels"),
                    mode=spec["Mode"],
                    update_config=spec.get("UpdateConfig"),
                    rollback_config=spec.get("RollbackConfig"),
                    endpoint_spec=spec.get("EndpointSpec"),
                )
            except docker.errors.APIError as error:
                if "out of sequence" not in str(error.explanation) or attempt == _AGAIN - 1:
                    raise
                time.sleep(_POLL_S)  # somebody else, or Swarm itself, wrote it meanwhile: look again
                continue
            return str((raw.get("UpdateStatus") or {}).get("StartedAt", "")), spec
        raise AssertionError  # unreachable: the last attempt raises

    def _completed(self, service: str, change: Callable[[dict[str, Any]], None]) -> str:
        ended = self._updated(service, change)
        if not ended.startswith("completed"):
            msg = f"{service}: the update did not complete: {ended}"
            raise ServiceFailed(msg)
        return ended

    def _updated(self, service: str, change: Callable[[dict[str, Any]], None]) -> str:
        with self._open(service) as api:
            changed = self._change(api, service, change)
            if changed is None:
                return "completed: it was so already"
            before, written = changed
            end, state, told = time.monotonic() + _WITHIN_S, "nothing", time.monotonic()
            while time.monotonic() < end:
                now = api.sdk.inspect_service(service)
                progress = now.get("UpdateStatus") or {}
                told = time.monotonic() if progress else told
                if time.monotonic() - told > _GONE_S:
                    return self._overtaken(api, service, now["Spec"], written, end)
                if progress.get("StartedAt", "") != before:
                    state = f"{progress.get('State')}: {bounded_text(str(progress.get('Message', '')), 300)}"
                    if progress.get("State") in _ENDED:
                        self._await(api, service, None, end)
                        return state
                time.sleep(_POLL_S)
        msg = f"{service}: the update has not ended after {_WITHIN_S:g} s; last seen {state}"
        raise ServiceFailed(msg)

    def _overtaken(
        self, api: DockerApi, service: str, spec: dict[str, Any], written: dict[str, Any], end: float
    ) -> str:
        """What came of an update after which somebody else has changed the service."""
        if spec["TaskTemplate"] != written["TaskTemplate"]:
            msg = f"{service}: somebody else has changed it meanwhile, and its tasks are not what they were to be"
            raise ServiceFailed(msg)
        self._await(api, service, None, end)
        return "completed: its status is gone, since somebody else has changed the service meanwhile; the tasks run as they were to"

    def _scale(self, service: str, replicas: int) -> str:
        def to(spec: dict[str, Any]) -> None:
            if "Replicated" not in spec["Mode"]:
                msg = f"{service} is not replicated: it cannot be scaled"
                raise ServiceFailed(msg)
            spec["Mode"]["Replicated"]["Replicas"] = replicas

        with self._open(service) as api:
            self._change(api, service, to)
            self._await(api, service, replicas, time.monotonic() + _WITHIN_S)
        return f"{replicas} tasks of {service} run"

    def _await(self, api: DockerApi, service: str, replicas: int | None, end: float) -> None:
        """Wait until so many tasks run (as many as are asked for, if None), and all that should not have ended."""
        while True:
            found, tasks, _ = self._find(api, service)
            mode = found.spec.mode.replicated
            wanted = replicas if replicas is not None else mode.replicas if mode else 0
            running = sum(1 for t in tasks if t.runs)
            leaving = sum(1 for t in tasks if t.status.state == "running" and t.desired_state != "running")
            if running == wanted and not leaving:
                return
            if time.monotonic() > end:
                newest = max(tasks, key=lambda t: t.created_at, default=None)
                last = f"; newest task {newest.status.state} {newest.status.err}" if newest else ""
                msg = f"{service}: {running} of {wanted} tasks run, {leaving} have not ended after {_WITHIN_S:g} s{last}"
                raise ServiceFailed(msg)
            time.sleep(_POLL_S)

    def _replace(self, kind: str, service: str, old: str, new: str, payload: bytes | None) -> str:
        list_key, id_key, name_key = f"{kind.title()}s", f"{kind.title()}ID", f"{kind.title()}Name"
        with self._open(service, old, new) as api:
            used = (
                api.sdk.inspect_service(service)["Spec"]["TaskTemplate"]["ContainerSpec"].get(list_key) or []
            )
            if all(each[name_key] != old for each in used):
                msg = f"{service} uses no {kind} {old}; it uses {', '.join(e[name_key] for e in used) or 'none'}"
                raise ServiceFailed(msg)
            inspect = api.sdk.inspect_secret if kind == "secret" else api.sdk.inspect_config
            create = api.sdk.create_secret if kind == "secret" else api.sdk.create_config
            labels = inspect(old)["Spec"].get("Labels") or {}
            made = (inspect(new) if payload is None else create(new, payload, labels=labels))["ID"]

        def replaced(spec: dict[str, Any]) -> None:
            for each in spec["TaskTemplate"]["ContainerSpec"][list_key]:
                if each[name_key] == old:
                    each[id_key], each[name_key] = made, new

        return f"{service} uses {new} in the place of {old}; {self._completed(service, replaced)}"

    def _run(self, service: str, command: list[str], within_s: float, node: str) -> Ran:
        with self._open(service) as api:
            task = self._here(api, service, node)[0]
            made = api.sdk.exec_create(task.container, command)["Id"]
            output = api.written(f"/exec/{made}/start", {"Detach": False, "Tty": False}, within_s)
            state = api.sdk.exec_inspect(made)
            status = None if state["Running"] or state["ExitCode"] is None else int(state["ExitCode"])
        text = bounded_text(unframed(output).decode(errors="replace"), _MOST_OUTPUT)
        if status is None:
            msg = f"{' '.join(command)} in {service}.{task.slot} has not ended after {within_s:g} s, and goes on; it wrote {text!r}"
            raise NotEnded(msg)
        return Ran(status, text)

    def _wire(self, service: str, network: str, *, connect: bool) -> str:
        with self._open(service, network) as api:
            done = []
            for task in self._here(api, service):
                on = api.sdk.inspect_container(task.container)["NetworkSettings"]["Networks"]
                if connect and network not in on:
                    api.sdk.connect_container_to_network(task.container, network)
                elif not connect and network in on:
                    api.sdk.disconnect_container_from_network(task.container, network, force=True)
                else:
                    continue
                done.append(f"{service}.{task.slot}")
        return f"{'connected to' if connect else 'cut off'} {network}: {', '.join(done) or 'nothing to do'}"

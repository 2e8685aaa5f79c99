"""Following a task request from the API through PubSub, coordinator, SLURP and DHT to UCXI's resolution."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any, Literal, Protocol

from opsverify.model.deadline import Deadline
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.bzzz.agents.models import Repeated, TaskFlow
from systems.bzzz.agents.ucxl import code_of, read_address

if TYPE_CHECKING:
    from opsverify.probes.http import Reply
    from systems.bzzz.client import BzzzClient

__all__ = ["PROJECT", "RequestTask", "follow_task", "repeat_task"]

PROJECT = "opsverify"
_POLL_S = 0.1
_OK, _TAKEN, _RECOGNISED = 200, {200, 201, 202}, {208, 409}
_DEEPEST = 6


class RequestTask(Protocol):
    """The operator's action."""

    async def __call__(self, task: str, address: str) -> Reply:
        """Ask for one task."""


def _new_task() -> tuple[str, str]:
    task = f"probe-{secrets.token_hex(6)}"
    return task, f"ucxl://any:any@{PROJECT}:{task}/^^/context"


async def follow_task(bzzz: BzzzClient, request_task: RequestTask) -> TaskFlow:
    """Ask for a task, and resolve its address until it holds the task or the time is over."""
    clock, (task, wanted) = Deadline(bzzz.section.limits.task_flow.duration), _new_task()
    reply = await request_task(task, wanted)
    body = _body(reply)
    if reply.status not in _TAKEN:
        refusal = f"HTTP {reply.status} {code_of(body)}: {bounded_text(reply.text, 200)}"
        return TaskFlow(task=task, accepted=reply.status, refused=refusal)
    address = _first_value(body, "address")
    address = bounded_text(address) if isinstance(address, str) else ""
    flow = TaskFlow(
        task=task,
        accepted=reply.status,
        refused="",
        address=address,
        well_formed=read_address(address) is not None,
    )
    if not address:
        return flow
    while True:
        answer, content = await bzzz.api.resolve(address, "the task's own address")
        flow = flow.model_copy(
            update={
                "resolved": answer.status == _OK,
                "holds_task": task in json.dumps(content, default=str),
                "status": answer.status,
                "code": answer.code,
                "took_s": clock.elapsed.total_seconds(),
            }
        )
        if flow.resolved or clock.passed:
            return flow
        await asyncio.sleep(_POLL_S)


async def repeat_task(bzzz: BzzzClient, request_task: RequestTask) -> Repeated:
    """Send the same event twice, and read how many times it was handled.

    Raises:
        Unobservable: the first was refused or came to nothing, or the count is not reported.
    """
    task, wanted = _new_task()
    first = await request_task(task, wanted)
    if first.status not in _TAKEN:
        raise Unobservable(
            ErrorKind.PRECONDITION, f"the first request was refused, see B-UCX-1: {first.shown()}"
        )
    await _handled(bzzz, wanted, 1)
    reply = await request_task(task, wanted)
    second = _second(reply.status, code_of(_body(reply)))
    answer = f"HTTP {reply.status} {code_of(_body(reply)) or bounded_text(reply.text, 80)}"
    # Taken as new, it is dropped or handled again only after a while.
    times = await _handled(bzzz, wanted, 2 if second == "taken" else 0)
    return Repeated(task=task, said=answer, second=second, times=times)


def _second(status: int, code: str) -> Literal["taken", "duplicate", "refused"]:
    if "DUPLICATE" in code.upper() or status in _RECOGNISED:
        return "duplicate"
    return "taken" if status in _TAKEN else "refused"


async def _handled(bzzz: BzzzClient, address: str, least: int) -> int:
    """How many times the event behind an address was handled, once that is `least` or time is over."""
    clock = Deadline(bzzz.section.limits.task_flow.duration / 2)
    while True:
        answer, content = await bzzz.api.resolve(address, "the task's own address")
        times = _first_value(content, "handled")
        if isinstance(times, int) and not isinstance(times, bool) and (times >= least or clock.passed):
            return times
        if clock.passed:
            reason = (
                f"HTTP {answer.status} {answer.code}"
                if answer.status != _OK
                else "the reply has no count `handled`"
            )
            raise Unobservable(ErrorKind.PRECONDITION, f"{address}: {reason}; see B-UCX-1")
        await asyncio.sleep(_POLL_S)


def _body(reply: Reply) -> Any:
    try:
        return reply.json()
    except Unobservable:
        return None


def _first_value(body: Any, key: str, depth: int = 0) -> Any:
    """The first value under a key, at the top or inside; None where there is none."""
    if not isinstance(body, dict) or depth > _DEEPEST:
        return None
    if key in body:
        return body[key]
    return next(
        (v for inner in body.values() if (v := _first_value(inner, key, depth + 1)) is not None), None
    )

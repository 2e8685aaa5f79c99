"""When services are looked at again, and what is counted of an event that is sent twice: by what was answered alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.http import Reply
from systems.bzzz.agents.models import Refusal
from systems.bzzz.agents.task_flow import repeat_task
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.services.baseline import Accepted, write_accepted
from systems.bzzz.services.models import ServiceSeen, SwarmNode, TaskSeen
from systems.bzzz.services.observations import running_services
from systems.bzzz.services.target import ExpectedService, ServicesTarget

if TYPE_CHECKING:
    from pathlib import Path

    from systems.bzzz.services.models import RunningServices

NAME, IMAGE = "bzzz-v2_bzzz-agent", "bzzz:v2.0.0"


@pytest.fixture(autouse=True)
def _nothing_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSVERIFY_STATE", str(tmp_path))


def task(state: str = "running", ago: timedelta = timedelta(0), **more: Any) -> TaskSeen:
    """A task, that runs unless told otherwise."""
    known = {"id": "1", "slot": 1, "node": "walnut", "desired": "running", "image": IMAGE}
    return TaskSeen.model_validate(
        {**known, "state": state, "since": datetime.now(UTC) - ago, "exit_code": None, **more}
    )


def service(*tasks: TaskSeen, **more: Any) -> ServiceSeen:
    """A service of one task."""
    return ServiceSeen.model_validate(
        {"name": NAME, "image": IMAGE, "desired": 1, "tasks": tasks or (task(),), "update_state": "", **more}
    )


WELL = service()


def node(**more: Any) -> SwarmNode:
    """A manager that leads."""
    known = {
        "name": "walnut",
        "state": "ready",
        "availability": "active",
        "manager": "reachable",
        "leader": True,
    }
    return SwarmNode.model_validate({**known, **more})


@dataclass
class Manager:
    """Tells these services and nodes at the first look, and that all is well from then on."""

    first: tuple[ServiceSeen, ...]
    at: tuple[SwarmNode, ...] = (node(),)
    looks: int = 0
    read: list[str] = field(default_factory=list)

    async def services(self) -> tuple[ServiceSeen, ...]:
        """The services."""
        self.looks += 1
        return self.first if self.looks == 1 else (WELL,)

    async def nodes(self) -> tuple[SwarmNode, ...]:
        """The nodes."""
        return self.at if self.looks <= 1 else (node(),)

    async def logs(self, name: str, *, since: timedelta, most: int) -> tuple[str, ...]:
        """A log."""
        self.read.append(name)
        return (f"{since >= timedelta(minutes=1)} {most}",)


async def looked(manager: Manager, **limits: float) -> RunningServices:
    """What is observed."""
    target = ServicesTarget(
        manager="docker+unix:///nowhere",
        expected={NAME: ExpectedService(replicas=1, image=IMAGE), "off": ExpectedService(replicas=0)},
    )
    given = BzzzLimits.model_validate({"services_confirm": 0, **limits})
    section = SimpleNamespace(services=target, limits=given, nodes={})
    seen: RunningServices = await running_services.function(
        SimpleNamespace(section=section, services=manager)
    )
    return seen


async def test_an_image_that_the_target_does_not_name_is_the_accepted_one() -> None:
    """How many tasks the target says; the image that nobody says is none."""
    target = ServicesTarget(
        manager="docker+unix:///nowhere",
        expected={n: ExpectedService(replicas=1) for n in (NAME, "bzzz-v2_more")},
    )
    accepted = {
        NAME: ExpectedService(replicas=9, image=IMAGE),
        "other": ExpectedService(replicas=2, image=IMAGE),
    }
    write_accepted(target, Accepted(at=datetime.now(UTC), services=accepted))
    section = SimpleNamespace(
        services=target, limits=BzzzLimits.model_validate({"services_confirm": 0}), nodes={}
    )
    seen = await running_services.function(SimpleNamespace(section=section, services=Manager((WELL,))))
    assert {n: (e.replicas, e.image) for n, e in seen.expected.items()} == {
        NAME: (1, IMAGE),
        "bzzz-v2_more": (1, None),
        "other": (2, IMAGE),
    }


UNLIKE = [
    (service(task("starting")),),
    (service(desired=2),),
    (service(task(), task(slot=2), desired=2),),
    (service(desired=0, tasks=()),),
    (service(update_state="updating"),),
    (service(update_state="paused"),),
    (service(update_state="rollback_completed"),),
    (service(task(image="bzzz:v1")),),
    (),
    (service(), service(task("failed", desired="shutdown"), name="bzzz-v2_more")),
]


@pytest.mark.parametrize("first", UNLIKE)
async def test_what_is_not_as_it_is_wanted_is_looked_at_again(first: tuple[ServiceSeen, ...]) -> None:
    """Any task, scale, image or update that is not as wanted is looked at twice, and the second look is what was seen."""
    manager = Manager(first)
    seen = await looked(manager)
    assert (manager.looks, len(seen.looked), seen.services) == (2, 1, (WELL,))


@pytest.mark.parametrize("at", [node(state="down"), node(manager="unreachable"), node(leader=False)])
async def test_a_swarm_that_is_not_whole_is_looked_at_again(at: SwarmNode) -> None:
    """So is a node that is not ready, a manager that is not reachable, and a Swarm that nobody leads."""
    manager = Manager((service(),), (at,))
    assert (len((await looked(manager)).looked), manager.looks) == (1, 2)


@pytest.mark.parametrize("failures", [1, 3, 99])
async def test_no_threshold_says_whether_it_is_looked_at_again(failures: float) -> None:
    """What is as wanted is looked at once, however often its tasks failed before; their log is read by any limit."""
    failed = [task("failed", timedelta(seconds=30), desired="shutdown")] * 3
    manager = Manager((service(task(), *failed, update_state="completed"),))
    seen = await looked(manager, task_failures=failures)
    assert (manager.looks, seen.looked, seen.logs) == (1, (), {NAME: ("True 5",)})


@dataclass
class Agents:
    """An API that takes or refuses what it is asked, and tells how often an event was handled."""

    replies: list[tuple[int, str]]
    handled: list[object]

    async def request(self, task: str, address: str) -> Reply:
        """The next reply."""
        status, code = self.replies.pop(0)
        body = json.dumps({"code": code, "task": task, "address": address}).encode()
        return Reply(url="http://x", status=status, content_type="application/json", body=body, cut=False)

    async def resolve(self, address: str, meant: str) -> tuple[Refusal, Any]:
        """The next count, and the last one again and again."""
        told = self.handled.pop(0) if len(self.handled) > 1 else self.handled[0]
        return Refusal(address=address, meant=meant, status=200, code=""), {"handled": told}


TAKEN, DUPLICATE = (202, "UCXL-202-ACCEPTED"), (200, "UCXL-200-DUPLICATE")


@pytest.mark.parametrize(
    ("second", "handled", "expected"),
    [
        (DUPLICATE, [1], ("duplicate", 1)),
        ((409, ""), [1], ("duplicate", 1)),
        ((208, ""), [1], ("duplicate", 1)),
        (DUPLICATE, [1, 2], ("duplicate", 2)),
        (TAKEN, [1, 1, 2], ("taken", 2)),
        (TAKEN, [1], ("taken", 1)),
        (TAKEN, [0], ("taken", 0)),
        ((503, "UCXL-503-BUSY"), [1], ("refused", 1)),
        ((429, ""), [1, 2], ("refused", 2)),
    ],
)
async def test_a_repeated_event_is_counted_whatever_is_said_of_it(
    second: tuple[int, str], handled: list[object], expected: tuple[str, int]
) -> None:
    """How often it was handled is read after the second, not concluded from what was said to it."""
    agents = Agents([TAKEN, second], list(handled))
    section = SimpleNamespace(limits=BzzzLimits.model_validate({"task_flow": 0.3}))
    client: Any = SimpleNamespace(section=section, api=agents)
    seen = await repeat_task(client, agents.request)
    assert (seen.second, seen.times) == expected


@pytest.mark.parametrize(("first", "handled"), [((503, ""), 1), (TAKEN, "often"), (TAKEN, True)])
async def test_an_event_that_nobody_counts_is_not_observed(first: tuple[int, str], handled: object) -> None:
    """A first that is not taken, and a count that is none, are no observation."""
    agents = Agents([first, TAKEN], [handled])
    section = SimpleNamespace(limits=BzzzLimits.model_validate({"task_flow": 0.2}))
    client: Any = SimpleNamespace(section=section, api=agents)
    with pytest.raises(Unobservable) as seen:
        await repeat_task(client, agents.request)
    assert seen.value.kind is ErrorKind.PRECONDITION

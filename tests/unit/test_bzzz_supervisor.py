"""The stand-in for a Swarm manager, with real children: its promises, read and acted on as a live Swarm is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.twin.services import start_supervisor
from fixtures.bzzz.twin.supervisor.images import NoImage, ProcessImage, read_image, write_image
from fixtures.bzzz.twin.supervisor.plan import ServicePlan, SlotPlan, UpdatePlan
from opsverify.model.deadline import eventually, seconds
from opsverify.servers.guard import Guard
from opsverify.servers.process import free_port
from systems.bzzz.services import swarm_operator as operator_module
from systems.bzzz.services.client import NotEnded, ServiceFailed
from systems.bzzz.services.swarm import SwarmClient
from systems.bzzz.services.swarm_operator import SwarmOperator
from systems.bzzz.services.target import ServicesTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fixtures.bzzz.twin.services import Supervisor
    from systems.bzzz.services.models import ServiceSeen

SLEEPER = ProcessImage(("sh", "-c", "echo up $WORD; exec sleep 600"))
ENDS = ProcessImage(("sh", "-c", "echo cannot >&2; exit 1"))
NEVER_UP = ProcessImage(("sleep", "600"), health="/health", health_port="PORT", health_s=0.3)
QUICK = UpdatePlan(delay_s=0.01, monitor_s=0.2)
WITHIN = seconds(10)


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    """A supervisor of two nodes, and its images."""
    with Guard() as guard:
        running = start_supervisor(guard, guard.folder("opsverify-test-"), ("walnut", "ironwood"))
        for name, image in (("app:v1", SLEEPER), ("app:bad", ENDS), ("app:sick", NEVER_UP)):
            write_image(running.images, name, image)
        write_image(running.images, "app:v2", replace(SLEEPER, env={"WORD": "two"}))
        yield running
        running.stop()


@pytest.fixture
def client(supervisor: Supervisor) -> SwarmClient:
    """What reads it."""
    return SwarmClient(_target(supervisor))


@pytest.fixture
def operator(supervisor: Supervisor) -> SwarmOperator:
    """What acts on it."""
    return SwarmOperator(_target(supervisor))


def _target(supervisor: Supervisor) -> ServicesTarget:
    return ServicesTarget(manager=supervisor.manager, prefix="")


def _service(supervisor: Supervisor, name: str, *, replicas: int = 2, **more: object) -> str:
    slots = tuple(SlotPlan(node, {"PORT": "1"}) for node in ("walnut", "ironwood", "walnut", "ironwood"))
    plan = ServicePlan(name, "app:v1", slots, replicas, update=QUICK, rollback=QUICK, restart_delay_s=0.05)
    supervisor.create(replace(plan, **more))  # type: ignore[arg-type]
    return name


async def _seen(client: SwarmClient, name: str) -> ServiceSeen:
    return next(s for s in await client.services() if s.name == name)


async def _running(client: SwarmClient, name: str, many: int) -> ServiceSeen:
    return await eventually(
        lambda: _seen(client, name), lambda s: len(s.running) == many, expected=f"{many} run", within=WITHIN
    )


async def _begun(client: SwarmClient, name: str) -> ServiceSeen:
    return await eventually(
        lambda: _seen(client, name),
        lambda s: s.update_state == "updating",
        expected="an update has begun",
        within=WITHIN,
        every=timedelta(milliseconds=5),
    )


async def test_a_task_that_is_killed_is_replaced(supervisor: Supervisor, client: SwarmClient) -> None:
    """A task that is killed is replaced, and the ended one tells its exit status."""
    name = _service(supervisor, "killed")
    before = await _running(client, name, 2)
    os.kill(supervisor.processes(name)[0].pid, signal.SIGKILL)
    after = await eventually(
        lambda: _seen(client, name),
        lambda s: len(s.running) == 2 and {t.id for t in s.running} != {t.id for t in before.running},
        expected="another task",
        within=WITHIN,
    )
    ended = next(task for task in after.tasks if task.state == "failed")
    assert (ended.exit_code, ended.error) == (137, "task: non-zero exit (137)")


async def test_a_restart_loop_can_be_seen(supervisor: Supervisor, client: SwarmClient) -> None:
    """A program that ends at once leaves many failed tasks with its exit status, a bounded number, and its log."""
    name = _service(supervisor, "looping", replicas=1, image="app:bad")
    seen = await eventually(
        lambda: _seen(client, name), lambda s: len(s.tasks) >= 6, expected="a full history", within=WITHIN
    )
    assert {t.exit_code for t in seen.tasks if t.state == "failed"} == {1}
    assert len(seen.tasks) == 6
    assert set(await client.logs(name, since=seconds(60), most=10)) == {"cannot"}


async def test_scaling_up_and_down(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """Scaling returns when so many run; more than there are places is refused."""
    name = _service(supervisor, "scaled")
    await operator.scale(name, 4)
    places = sorted((t.slot, t.node) for t in (await _seen(client, name)).running)
    assert places == [(1, "walnut"), (2, "ironwood"), (3, "walnut"), (4, "ironwood")]
    await operator.scale(name, 0)
    assert not supervisor.processes(name)
    with pytest.raises(ServiceFailed, match="ports for 4 tasks, not for 5"):
        await operator.scale(name, 5)


async def test_a_rolling_update(supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator) -> None:
    """An update gives every task the new image, under the name that it was asked for by."""
    name = _service(supervisor, "updated")
    assert "completed" in await operator.update(name, image="app:v2")
    seen = await _seen(client, name)
    assert {t.image for t in seen.running} == {"app:v2"}
    assert "up two" in await client.logs(name, since=seconds(60), most=10)


@pytest.mark.parametrize("image", ["app:bad", "app:sick"])
async def test_a_bad_image_rolls_back(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator, image: str
) -> None:
    """An image whose program ends, or never becomes healthy, is rolled back by itself; the other task is not touched."""
    name = _service(supervisor, f"rolled-{image[4:]}")
    before = await _running(client, name, 2)
    assert "rollback_completed" in await operator.update(name, image=image)
    after = await _seen(client, name)
    assert len(after.running) == 2
    assert {t.image for t in after.running} == {before.image} == {after.image}
    untouched = next(t.id for t in before.running if t.slot == 2)
    assert untouched in {t.id for t in after.running}


async def test_an_image_that_is_not_there_rolls_back(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """A task of an image that is not there is rejected with Docker's words, and the update rolls back."""
    name = _service(supervisor, "unknown-image")
    assert "rollback_completed" in await operator.update(name, image="app:v9")
    rejected = [t for t in (await _seen(client, name)).tasks if t.state == "rejected"]
    assert [(t.error, t.image) for t in rejected] == [("No such image: app:v9", "app:v9")]


async def test_scaling_during_an_update(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """Scaling in the middle of an update ends with so many tasks, all of the new image."""
    name = _service(supervisor, "both", replicas=3)
    await _running(client, name, 3)
    updating = asyncio.create_task(operator.update(name, image="app:v2"))
    await _begun(client, name)
    await asyncio.gather(updating, operator.scale(name, 4))
    await operator.scale(name, 1)
    seen = await _running(client, name, 1)
    assert {t.image for t in seen.running} == {"app:v2"}
    assert len(supervisor.processes(name)) == 1


async def test_an_update_in_the_middle_of_another(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """An update back, begun before the first has ended, leaves every slot with one task of the first image."""
    name = _service(supervisor, "back", replicas=3)
    before = await _running(client, name, 3)
    first = asyncio.create_task(operator.update(name, image="app:v2"))
    await _begun(client, name)
    await asyncio.gather(first, operator.update(name, image=before.image))
    seen = await _running(client, name, 3)
    assert {t.image for t in seen.running} == {before.image}
    assert len(supervisor.processes(name)) == 3


async def test_a_secret_is_exchanged(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """A new secret takes the place of the old under the name that the tasks find inside."""
    supervisor.store("secrets", "word", b"first")
    name = _service(supervisor, "secret", secrets={"word": "word"}, env={"FILE": "{secrets}/word"})
    await _running(client, name, 2)
    await operator.replace_secret(name, old="word", new="word_v2", payload=b"second")
    ran = await operator.run(name, ["sh", "-c", 'cat "$FILE"; exit 3'], within=seconds(5))
    assert (ran.output, ran.status) == ("second", 3)
    assert (await _seen(client, name)).secrets == {"word": "word_v2"}
    with pytest.raises(ServiceFailed, match="already exists"):
        await operator.replace_secret(name, old="word_v2", new="word_v2", payload=b"third")
    assert await client.secrets() == ("word", "word_v2")


async def test_a_command_that_hangs_is_told(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """A command inside a task that does not end in time goes on, as in Docker, and ends with its task; output is bounded."""
    name = _service(supervisor, "hangs", replicas=1)
    await _running(client, name, 1)
    with pytest.raises(NotEnded, match=r"has not ended after 0\.2 s"):
        await operator.run(name, ["sh", "-c", "echo $$; exec sleep 60"], within=timedelta(seconds=0.2))
    ran = await operator.run(name, ["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"], within=WITHIN)
    assert len(ran.output) <= 64 * 1024


async def test_what_a_task_uses(supervisor: Supervisor, client: SwarmClient) -> None:
    """A task's memory is that of its process and all below it, beside its limit."""
    name = _service(supervisor, "uses", replicas=1, memory_limit=5)
    task = (await _running(client, name, 1)).running[0]
    use = next(u for u in await client.uses() if u.task == task.id)
    assert use.memory > 100_000
    assert (use.memory_limit, use.node) == (5, "walnut")


async def test_another_s_process_is_listed_and_left_alone(
    supervisor: Supervisor, client: SwarmClient, operator: SwarmOperator
) -> None:
    """A process that the stack started is a service whose end is seen, and which is not restarted from here."""
    port = free_port()
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    child = await asyncio.create_subprocess_exec(*serve, stderr=asyncio.subprocess.DEVNULL)
    supervisor.watch("postgres", image="postgres:15", node="walnut", port=port)
    first = (await _running(client, "postgres", 1)).running[0]
    with pytest.raises(ServiceFailed, match="only watches"):
        await operator.restart("postgres")
    child.kill()
    await child.wait()
    assert (await _seen(client, "postgres")).tasks[0].state == "failed"
    child = await asyncio.create_subprocess_exec(*serve, stderr=asyncio.subprocess.DEVNULL)
    again = await _running(client, "postgres", 1)
    assert again.tasks[0].id != first.id == again.tasks[1].id
    child.kill()
    await child.wait()


def test_an_image_is_its_bytes(tmp_path: Path) -> None:
    """A manifest that was changed is no longer what its digest names."""
    reference = write_image(tmp_path, "app:v1", SLEEPER)
    assert read_image(tmp_path, reference).argv == SLEEPER.argv
    write_image(tmp_path, "app:v1", ENDS)
    with pytest.raises(NoImage, match="has the digest"):
        read_image(tmp_path, reference)


async def test_an_update_whose_status_is_gone(
    supervisor: Supervisor, operator: SwarmOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that leaves no status (nothing to replace, or a change came after it) ends; another template is a failure."""
    monkeypatch.setattr(operator_module, "_GONE_S", 0.5)
    name = _service(supervisor, "gone", replicas=0)
    assert (await operator.restart(name)).startswith("completed: its status is gone")
    overtaken = asyncio.create_task(operator.restart(name))
    await asyncio.sleep(0.2)
    supervisor.begin(name, "force")
    with pytest.raises(ServiceFailed, match="somebody else has changed it meanwhile"):
        await overtaken

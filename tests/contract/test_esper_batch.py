"""The suite on what the real demo leaves behind: a short batch under repeated ids, its history twice, then nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from redis import Redis

from fixtures.esper.twin.stack import EsperStack
from opsverify.model.deadline import eventually, seconds
from opsverify.servers.guard import Guard
from opsverify.servers.redis import find_redis
from opsverify.servers.server import ServerFailed
from tests.hostile.looking import look, section, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a secret of the batch"
OF_TRAINING = ("E-TOL", "E-KAS", "E-TAM", "E-SIM", "E-LEY")
DEMO = {"window": 0.05, "settle": 0.2, "canary": 1, "epoch": 100}
"""The demo's epochs take 39 ms, above Nissa's own 18."""


@pytest.fixture(scope="module")
def stack() -> Iterator[EsperStack]:
    """Give a twin that has published one batch, and is idle."""
    try:
        find_redis(["local", "wheel"])
    except ServerFailed as missing:
        pytest.skip(str(missing))
    with Guard() as guard:
        trainer = ["--batch", "--epoch-ms", "39"]
        started = EsperStack.start(
            origins=["local", "wheel"], guard=guard, secret=SECRET, trainer=trainer, thresholds=(None, None)
        )
        yield started
        started.stop()


async def published(stack: EsperStack) -> None:
    """Wait until the batch is out, and Nissa has had it."""

    async def policies() -> int:
        with Redis.from_url(stack.redis_url) as redis:
            groups = [redis.xinfo_groups(name)[0] for name in ("oona.telemetry", "oona.normal")]
            owed = sum((g["lag"] or 0) + g["pending"] for g in groups)
            return 0 if owed else int(redis.xlen("oona.policy"))

    await eventually(policies, bool, expected="the batch is published", within=seconds(20), shown=str)


def target(stack: EsperStack, **more: Any) -> Any:
    """A target that names the twin, idle as the demo is once it has ended."""
    part = section(stack.redis_url, stack.nissa_url, **{"limits": DEMO, **more})
    return part.model_copy(update={"leyline_secret_env": SecretStr(SECRET)})


async def test_a_batch_that_has_ended_is_judged_as_a_whole(stack: EsperStack) -> None:
    """With workload idle every check of the training side passes, but for Kasmina's, which this target does not publish."""
    await published(stack)
    seen = await verdicts(target(stack), deadline=10)
    training = {c: v.split()[0] for c, v in seen.items() if c.startswith(OF_TRAINING)}
    assert training == {c: "SKIP" if c.startswith("E-KAS") else "PASS" for c in training}
    assert {v for c, v in seen.items() if c.startswith("E-KAS")} == {"SKIP not published by this target"}


async def test_the_last_run_is_the_second_of_the_batch(stack: EsperStack) -> None:
    """Repeated ids and a history that was published twice make no third run."""
    await published(stack)
    run = (await look(target(stack), {"tolaria_run"}, deadline=10))["tolaria_run"].value
    assert [e.packet for e in run.epochs] == [f"training-run-epoch-{n}" for n in range(3)]
    assert run.completed
    assert run.source.packets == 8


async def test_the_same_batch_with_the_documented_limit_is_slow_and_nobody_was_told(
    stack: EsperStack,
) -> None:
    """At 18 ms the demo's epochs are slow; its completion packet has cleared the alert, and the finding says so."""
    await published(stack)
    seen = await verdicts(target(stack, limits={**DEMO, "epoch": 18}), deadline=10)
    assert seen["E-TOL-2"] == "FAIL epochs-slow"
    assert seen["E-TOL-2b"] == "FAIL alert-quiet-on-slow-epochs"


async def test_the_same_batch_is_stale_where_training_should_run(stack: EsperStack) -> None:
    """With workload running, what has ended is stale, with its age."""
    await published(stack)
    limits = {**DEMO, "fresh": 0.001}
    seen = await verdicts(target(stack, limits=limits, workload="running"), deadline=10)
    stale = {c for c, v in seen.items() if v == "FAIL stale"}
    assert stale == {"E-TOL-1", "E-TOL-2", "E-TOL-3", "E-TAM-2", "E-TAM-3", "E-SIM-1", "E-SIM-2", "E-REC-3b"}

"""A service manager that answers badly: each answer is a kind of not knowing, or a refusal, within its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.http import open_http
from systems.bzzz.services.client import ServiceFailed
from systems.bzzz.services.supervisor import SupervisorClient, SupervisorOperator
from systems.bzzz.services.target import ServicesTarget
from tests.hostile.servers import MIB, Stage, http, page, resets, silent

DEEP = b"[" * 100_000
WRONG = (
    b"",
    b"<html>proxy</html>",
    b"null",
    b"{}",
    b'{"message": "no"}',
    b'[{"name": 3}]',
    b'[{"name": "bzzz-x", "image": "", "desired": "many", "tasks": []}]',
    b'[{"name": "bzzz-x", "image": "", "desired": 1, "tasks": [{"id": "1"}]}]',
    b'[{"name": "bzzz-x", "image": "", "desired": NaN, "tasks": []}]',
    DEEP,
    b"\xff\xfe",
    b"[" + b'"x",' * MIB + b'"x"]',
)


def target(address: str) -> ServicesTarget:
    """A target whose manager answers there."""
    return ServicesTarget(manager=f"supervisor+{address}")


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
async def test_what_nobody_knows_is_not_observed(stage: Stage, body: bytes) -> None:
    """An answer that is no list of services is an unexpected reply, with what came instead."""
    manager = target(stage.http(http(page(body))))
    async with open_http() as client:
        with pytest.raises(Unobservable) as seen:
            await SupervisorClient(manager, client).services()
    assert seen.value.kind is ErrorKind.UNEXPECTED_REPLY
    assert len(str(seen.value)) < 5000


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, ErrorKind.SERVER_ERROR), (403, ErrorKind.DENIED), (302, ErrorKind.UNEXPECTED_REPLY)],
)
async def test_a_status_that_is_no_answer_has_its_kind(stage: Stage, status: int, kind: ErrorKind) -> None:
    """Any other status than 200 is not observed, and says why."""
    manager = target(stage.http(http(page(status=status))))
    async with open_http() as client:
        with pytest.raises(Unobservable) as seen:
            await SupervisorClient(manager, client).nodes()
    assert seen.value.kind is kind


async def test_configs_that_are_no_base64_are_not_observed(stage: Stage) -> None:
    """A config's payload that cannot be decoded is an unexpected reply."""
    manager = target(stage.http(http(page({"bzzz_v2_config": "%%%"}))))
    async with open_http() as client:
        with pytest.raises(Unobservable, match="base64"):
            await SupervisorClient(manager, client).configs()


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"status": "many", "output": 3}', b'{"output": ""}', DEEP]
)
async def test_an_act_whose_answer_is_not_understood_has_failed(stage: Stage, body: bytes) -> None:
    """Running a command says that it failed where nobody knows what came of it."""
    operator = SupervisorOperator(target(stage.http(http(page(body)))))
    with pytest.raises(ServiceFailed):
        await operator.run("bzzz-x", ["true"], within=timedelta(seconds=1))


async def test_a_manager_that_breaks_off_has_failed(stage: Stage) -> None:
    """A connection that is reset, or refused, is a failure of the act and no crash."""
    for address in (stage.http(resets), "http://127.0.0.1:1"):
        with pytest.raises(ServiceFailed, match="the supervisor"):
            await SupervisorOperator(target(address)).restart("bzzz-x")


async def test_a_silent_manager_ends_an_act_in_time(stage: Stage) -> None:
    """An act on a manager that says nothing ends with its own time."""
    operator = SupervisorOperator(target(stage.http(silent)))
    with pytest.raises(ServiceFailed, match="no complete reply"):
        await operator.run("bzzz-x", ["true"], within=timedelta(seconds=0.1))

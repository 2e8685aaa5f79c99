"""The rules on services, on every state that a manager can tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.services.criteria import as_they_should, safe_settings
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.target.file import TargetError, load_target
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.section import BzzzSection
from systems.bzzz.services.baseline import Accepted, accepted_path, read_accepted, write_accepted
from systems.bzzz.services.models import (
    RunningServices,
    ServiceSeen,
    ServiceSettings,
    SwarmNode,
    TaskSeen,
    UpdateSettings,
    same_image,
)
from systems.bzzz.services.target import ExpectedService, ServicesTarget

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGE, OLDER = f"bzzz:v2.0.0@{DIGEST}", f"bzzz:v1.0.0@{OTHER}"
OPEN = {"updating", "no-expectation", "no-digest", "no-service", "part-missing"}
NAME = "bzzz-v2_bzzz-agent"
LIMITS = BzzzLimits()
SAFE = UpdateSettings(parallelism=1, delay_s=30, failure_action="rollback")


def task(slot: int = 1, **told: Any) -> TaskSeen:
    """A task that runs, unless told otherwise."""
    known = {"id": f"{slot}", "node": "walnut", "state": "running", "desired": "running", "image": IMAGE}
    return TaskSeen(slot=slot, since=NOW, **{**known, **told})


def service(*tasks: TaskSeen, **told: Any) -> ServiceSeen:
    """A service of two tasks that is as it should be, unless told otherwise."""
    known: dict[str, Any] = {
        "desired": 2,
        "update": SAFE,
        "rollback": SAFE,
        "update_state": "",
        "memory_limit": 1,
        "cpu_limit": 1.0,
    }
    return ServiceSeen(name=NAME, image=IMAGE, tasks=tasks or (task(1), task(2)), **{**known, **told})


def node(name: str, **told: Any) -> SwarmNode:
    """A ready manager."""
    known: dict[str, Any] = {"state": "ready", "availability": "active", "manager": "reachable"}
    return SwarmNode(name=name, **{**known, **told})


NODES = (node("walnut", leader=True), node("ironwood"), node("acacia"))


def running(*services: ServiceSeen, **told: Any) -> RunningServices:
    """What is seen of them."""
    known: dict[str, Any] = {
        "nodes": NODES,
        "expected": {NAME: ExpectedService(replicas=2, image=IMAGE)},
        "required": (),
        "services_listed": len(services),
        "nodes_listed": len(told.get("nodes", NODES)),
    }
    return RunningServices(at=NOW, services=services, known_from="the target", **{**known, **told})


def failed(slot: int, ago: timedelta = timedelta(0)) -> TaskSeen:
    """A task that failed a while ago."""
    return TaskSeen(
        id=f"f{slot}",
        slot=slot,
        node="walnut",
        state="failed",
        desired="shutdown",
        image=IMAGE,
        since=NOW - ago,
        exit_code=1,
    )


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (running(service()), "as-expected"),
        (running(service(task(1), task(2), failed(1), failed(1))), "as-expected"),
        (running(service(task(1), task(2), *[failed(1)] * 3)), "restart-loop"),
        (running(service(task(1), task(2), *[failed(1, timedelta(seconds=600))] * 3)), "restart-loop"),
        (running(service(task(1), task(2), *[failed(1, timedelta(seconds=601))] * 3)), "as-expected"),
        (running(service(task(1), task(2), *[failed(1)] * 4)), "restart-loop"),
        (running(service(task(1), task(2), failed(1), failed(2), failed(2))), "as-expected"),
        (running(service(task(1))), "tasks-missing"),
        (running(service(task(1), task(2, state="starting"))), "tasks-missing"),
        (running(service(task(1), task(2, desired="shutdown"))), "tasks-missing"),
        (running(service(desired=0)), "scaled-to-zero"),
        (running(service(desired=0), expected={}), "scaled-to-zero"),
        (running(service(task(1), task(2), task(3), desired=3)), "other-scale"),
        (running(service(task(1), task(2, image=f"bzzz:v2.0.0@{OTHER}"))), "other-image"),
        (running(service(task(1), task(2, image="bzzz:v2.1.0"))), "other-image"),
        (running(service(update_state="paused")), "update-paused"),
        (running(service(update_state="rollback_paused")), "update-paused"),
        (running(service(update_state="rollback_completed")), "rolled-back"),
        (running(), "service-missing"),
        (running(expected={}, required=(NAME,)), "service-missing"),
        (running(service(), nodes=(*NODES[:2], node("acacia", state="down"))), "node-not-ready"),
        (running(service(), nodes=(NODES[0], *(node(n, manager="unreachable") for n in "ab"))), "no-quorum"),
        (running(service(), nodes=(node("walnut"),)), "no-quorum"),
        (running(service(), nodes=(NODES[0], node("a", manager="unreachable"))), "no-quorum"),
        (
            running(service(), nodes=(*NODES[:2], *(node(n, manager="unreachable") for n in "abc"))),
            "no-quorum",
        ),
        (running(service(), nodes=(node("walnut", manager=""),)), "no-quorum"),
        (running(service(task(1), task(2, image=OLDER)), expected={}), "mixed-images"),
        (
            running(service(task(1), task(2, image=OLDER)), nodes=(*NODES[:2], node("a", state="down"))),
            "node-not-ready",
        ),
        (running(service(update_state="updating")), "updating"),
        (running(service(update_state="rollback_started"), expected={}), "updating"),
        (running(service(), expected={}), "no-expectation"),
        (running(service(), expected={NAME: ExpectedService(replicas=2)}), "no-expectation"),
        (running(service(task(1)), expected={NAME: ExpectedService(replicas=2)}), "tasks-missing"),
        (running(service(), services_listed=2), "part-missing"),
        (running(service(), nodes_listed=4), "part-missing"),
        (running(service(), nodes=NODES[:2], nodes_listed=3), "part-missing"),
        (running(service(task(1)), nodes_listed=4), "tasks-missing"),
        (running(service(task(1), task(2, image="bzzz:v2.0.0"))), "mixed-images"),
        (running(service(task(1, image="bzzz:v2.0.0"), task(2, image="bzzz:v2.0.0"))), "no-digest"),
        (running(expected={NAME: ExpectedService(replicas=0)}), "no-service"),
        (running(service(update_state="updating"), nodes=(node("walnut"),)), "no-quorum"),
    ],
)
def test_each_state_of_a_service_has_its_verdict(seen: RunningServices, reason: str) -> None:
    """Whatever is certainly wrong fails under its own name, the worst first; history alone does not, and what nobody can
    tell is open.
    """
    finding = as_they_should(seen, LIMITS)
    assert (finding.reason, finding.holds) == (reason, None if reason in OPEN else reason == "as-expected")


def test_an_update_under_way_is_no_trouble_yet() -> None:
    """While tasks are being replaced their number and images say nothing; the update itself is named."""
    seen = running(service(task(1), task(2, state="starting"), update_state="updating"))
    found = as_they_should(seen, LIMITS)
    assert (found.holds, found.observed) == (None, f"an update is in progress: {NAME}: updating")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"task_failures": 4}, "as-expected"),
        ({"task_failures": 3}, "restart-loop"),
        ({"task_failures": 2}, "restart-loop"),
        ({"failure_window": 300}, "restart-loop"),
        ({"failure_window": 299}, "as-expected"),
    ],
)
def test_a_loop_is_judged_by_the_limits_of_the_one_who_judges(limits: dict[str, float], reason: str) -> None:
    """What was observed holds no threshold: the same evidence is a loop by one limit and none by another."""
    seen = running(service(task(1), task(2), *[failed(1, timedelta(seconds=300))] * 3))
    assert as_they_should(seen, BzzzLimits.model_validate(limits)).reason == reason


def test_a_restart_loop_names_exit_status_and_log() -> None:
    """A restart loop names the slot, its node, the exit statuses and the last lines of its log."""
    looping = running(service(task(1), task(2), *[failed(1)] * 3), logs={NAME: ("FATAL no such file",)})
    finding = as_they_should(looping, LIMITS)
    assert f"{NAME}.1 on walnut failed 3 times (exit 1, exit 1, exit 1)" in finding.observed
    assert finding.details[0] == f"log of {NAME}: FATAL no such file"


@pytest.mark.parametrize(
    ("image", "expected", "same"),
    [
        (IMAGE, IMAGE, True),
        (IMAGE, "bzzz:v2.0.0", True),
        (IMAGE, "bzzz:v2.1.0", False),
        (f"elsewhere/bzzz:v2.0.0@{DIGEST}", IMAGE, True),
        (f"bzzz:v2.0.0@{OTHER}", IMAGE, False),
        ("bzzz:v2.0.0", IMAGE, None),
        ("bzzz:v2.1.0", IMAGE, False),
    ],
)
def test_an_image_is_its_digest(image: str, expected: str, *, same: bool | None) -> None:
    """Digests decide where both tell one, else the name; a digest that is not told leaves it open."""
    assert same_image(image, expected) is same


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, "safe"),
        ({"update": None}, "unsafe-update"),
        ({"rollback": None}, "unsafe-update"),
        ({"update": SAFE.model_copy(update={"parallelism": 0})}, "unsafe-update"),
        ({"update": SAFE.model_copy(update={"parallelism": 2})}, "unsafe-update"),
        ({"update": SAFE.model_copy(update={"parallelism": 2}), "desired": 1}, "safe"),
        ({"update": SAFE.model_copy(update={"delay_s": 29.9})}, "unsafe-update"),
        ({"update": SAFE.model_copy(update={"delay_s": 0}), "desired": 1}, "safe"),
        ({"update": SAFE.model_copy(update={"delay_s": float("nan")})}, "unsafe-update"),
        ({"update": SAFE.model_copy(update={"delay_s": 30.1})}, "safe"),
        ({"update": SAFE.model_copy(update={"failure_action": "pause"})}, "unsafe-update"),
        ({"rollback": SAFE.model_copy(update={"failure_action": "pause"})}, "safe"),
        ({"memory_limit": 0}, "no-limits"),
        ({"cpu_limit": 0.0}, "no-limits"),
        ({"cpu_limit": 0.0, "update": None}, "unsafe-update"),
    ],
)
def test_settings_at_their_boundaries(told: dict[str, Any], reason: str) -> None:
    """Update settings and limits are judged at their boundaries."""
    found = safe_settings(ServiceSettings(services=(service(**told),), listed=1), LIMITS)
    assert (found.holds, found.reason) == (reason == "safe", reason)


def test_no_service_is_not_safe_to_update() -> None:
    """Of no service there is nothing to say, and of a part of them nothing of all."""
    found = safe_settings(ServiceSettings(services=(), listed=0), LIMITS)
    assert (found.holds, found.reason) == (None, "no-service")
    part = ServiceSettings(services=(service(),), listed=2)
    assert (safe_settings(part, LIMITS).holds, safe_settings(part, LIMITS).reason) == (None, "part-missing")
    unsafe = part.model_copy(update={"services": (service(memory_limit=0),)})
    assert safe_settings(unsafe, LIMITS).reason == "no-limits"


@given(
    st.lists(
        st.builds(
            task,
            st.integers(-3, 5),
            state=st.text(max_size=9),
            desired=st.sampled_from(["running", "shutdown"]),
            image=st.text(max_size=20),
            error=st.text(max_size=20),
            exit_code=st.none() | st.integers(),
        ),
        max_size=6,
    ),
    st.integers(-1, 5),
    st.text(max_size=12),
)
def test_no_state_makes_it_raise(tasks: list[TaskSeen], desired: int, update: str) -> None:
    """Whatever a manager tells, there is a finding; it holds only with exactly the tasks that are expected."""
    told = ServiceSeen(name=NAME, image="", desired=desired, tasks=tuple(tasks), update_state=update)
    finding = as_they_should(running(told), LIMITS)
    if finding.holds:
        assert len(told.running) == desired == 2


def test_what_was_accepted_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted is read back; nothing is None, and a damaged file says so."""
    monkeypatch.setenv("OPSVERIFY_STATE", str(tmp_path))
    target = ServicesTarget(manager="docker+unix:///var/run/docker.sock")
    assert read_accepted(target) is None
    accepted = Accepted(at=NOW, services={NAME: ExpectedService(replicas=3, image=IMAGE)})
    write_accepted(target, accepted)
    assert read_accepted(target) == accepted
    accepted_path(target).write_text("{", encoding="utf-8")
    with pytest.raises(Unobservable) as damaged:
        read_accepted(target)
    assert damaged.value.kind is ErrorKind.UNEXPECTED_REPLY


@pytest.mark.parametrize("manager", ["supervisor+http://127.0.0.1:1", "docker+unix://walnut", "walnut:2377"])
def test_a_manager_of_another_scheme_is_told_with_the_right_ones(manager: str, tmp_path: Path) -> None:
    """An address that is no Swarm manager's is an error of the target file: where it stands, what was found, what is right."""
    path = tmp_path / "target.toml"
    path.write_text(f'name = "x"\n[bzzz.services]\nmanager = "{manager}"\n', encoding="utf-8")
    with pytest.raises(TargetError) as caught:
        load_target(path, {"bzzz": BzzzSection})
    told = str(caught.value)
    assert str(path) in told
    assert "bzzz.services.manager" in told
    assert f"found {manager.split(':', maxsplit=1)[0]!r}" in told
    for right in ("docker+unix:///var/run/docker.sock", "docker+ssh://", "docker+tcp://", "docker+https://"):
        assert right in told

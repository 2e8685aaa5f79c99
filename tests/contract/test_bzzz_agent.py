"""The twin's agents behave as BZZZ's where the checks look: peers, election, content, queue, addresses, health."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from fixtures.control import ControlFailed
from opsverify.model.deadline import seconds
from opsverify.servers.guard import Guard
from opsverify.servers.process import LOOPBACK, free_port
from tests.contract.bzzz_mesh import NODES, ROOT, AgentMesh, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SOON = seconds(8)


@pytest.fixture(scope="module")
def started() -> Iterator[AgentMesh]:
    """One mesh for all of them."""
    with Guard() as guard:
        mesh = AgentMesh(guard.folder("opsverify-mesh-"), guard)
        try:
            mesh.start()
            until(mesh.healthy, seconds(10), "a whole mesh")
            yield mesh
        finally:
            mesh.stop()


@pytest.fixture
def mesh(started: AgentMesh) -> Iterator[AgentMesh]:
    """The mesh, whole before and whole again after."""
    until(started.healthy, SOON, "a whole mesh before the test")
    yield started
    until(started.healthy, SOON, "a whole mesh after the test")


def admin(mesh: AgentMesh) -> str:
    """The one admin."""
    (leader,) = mesh.admins()
    return leader


def others(node: str) -> tuple[str, ...]:
    """The other nodes."""
    return tuple(other for other in NODES if other != node)


def test_every_agent_counts_agents_and_bootstraps_as_peers(mesh: AgentMesh) -> None:
    """Three agents and three bootstraps make five peers each, and one admin that all name, in one term."""
    assert [mesh.peers(node) for node in NODES] == [5, 5, 5]
    told = [mesh.get(node, "/api/election/status").json() for node in NODES]
    assert {(one["admin"], one["term"]) for one in told} == {(admin(mesh), told[0]["term"])}
    assert {c["node"] for c in told[0]["candidates"]} == {"walnut", "ironwood"}


def test_a_killed_agent_is_missed_and_comes_back(mesh: AgentMesh) -> None:
    """A killed agent's peers count one less within a second or so; when it runs again all are whole."""
    mesh.processes["acacia"].kill()
    took = until(
        lambda: None if [mesh.peers(n) for n in ("walnut", "ironwood")] == [4, 4] else "5",
        seconds(2),
        "one peer less",
    )
    assert took < seconds(1.5)
    mesh.restart("acacia")


def test_a_standing_agent_is_missed_by_its_heartbeats(mesh: AgentMesh) -> None:
    """An agent that keeps its connections and says nothing stops being a peer, and is one again when it goes on."""
    silent = others(admin(mesh))[0]
    mesh.processes[silent].pause()
    try:
        until(
            lambda: None if {mesh.peers(n) for n in others(silent)} == {4} else "5",
            seconds(3),
            "one peer less",
        )
        assert mesh.get("front", "/health").status_code == 200
    finally:
        mesh.processes[silent].resume()


def test_another_admin_is_elected_when_the_admin_stops(mesh: AgentMesh) -> None:
    """When the admin's process stands still another agent leads within three seconds; the old one follows it later."""
    old = admin(mesh)
    term = mesh.get(old, "/api/election/status").json()["term"]
    mesh.processes[old].pause()
    try:
        until(
            lambda: None if len(mesh.admins(others(old))) == 1 else "nobody leads", seconds(3), "a new admin"
        )
    finally:
        mesh.processes[old].resume()
    until(lambda: None if len(mesh.admins()) == 1 else "two lead", seconds(3), "the old admin steps down")
    until(
        lambda: None if mesh.get(old, "/api/election/status").json()["term"] > term else "the old term",
        seconds(3),
        "it follows in a later term",
    )


def test_a_partition_may_show_two_admins_and_one_when_it_is_healed(mesh: AgentMesh) -> None:
    """An admin that is cut off keeps its term while the others elect a new one; healed, one is left."""
    old = admin(mesh)
    mesh.tell("network", "isolate", node=old)
    try:
        until(lambda: None if len(mesh.admins()) == 2 else str(mesh.admins()), seconds(4), "two admins")
        until(lambda: None if mesh.peers(old) == 1 else str(mesh.peers(old)), seconds(3), "its own bootstrap")
        until(
            lambda: None if mesh.health(old)["p2p-health"] != "healthy" else "healthy", seconds(3), "it shows"
        )
    finally:
        mesh.tell("network", "heal")
    until(lambda: None if len(mesh.admins()) == 1 else str(mesh.admins()), seconds(4), "one admin")


def test_nobody_leads_without_a_candidate(mesh: AgentMesh) -> None:
    """With no node whose role makes it a candidate there is no admin, and the election's health says so."""
    config = mesh.folder / "config.yaml"
    right = config.read_text(encoding="utf-8")
    config.write_text(json.dumps({"agent": {"role": {node: ["worker"] for node in NODES}}}), encoding="utf-8")
    try:
        for node in NODES:
            mesh.restart(node)
        until(
            lambda: None if {mesh.health(n).get("election-health") for n in NODES} == {"unhealthy"} else "no",
            SOON,
            "no admin",
        )
        assert mesh.admins() == []
        assert {mesh.get(n, "/api/election/status").json()["admin"] for n in NODES} == {None}
        assert mesh.post("walnut", {"task": "x"}).json()["code"] == "UCXL-503-NO_COORDINATOR"
    finally:
        config.write_text(right, encoding="utf-8")
        for node in NODES:
            mesh.restart(node)


def test_an_election_state_that_is_damaged_keeps_an_agent_out(mesh: AgentMesh) -> None:
    """An agent that cannot read its election state neither leads nor votes until that is cleared."""
    (mesh.folder / "walnut" / "election.json").write_bytes(b"\x00{")
    mesh.processes["walnut"].kill()
    mesh.restart("walnut")
    until(
        lambda: None if mesh.health("walnut").get("election-health") == "unhealthy" else "healthy",
        SOON,
        "seen",
    )
    assert "election.json" in mesh.get("walnut", "/api/election/status").json()["trouble"]
    assert mesh.command("walnut", "clear-election-state").returncode == 0


def test_a_damaged_peer_store_leaves_too_few_peers(mesh: AgentMesh) -> None:
    """An agent that cannot read its peer store dials nobody, so that only the two others reach it."""
    (mesh.folder / "acacia" / "peerstore.json").write_bytes(b"\x00{")
    mesh.processes["acacia"].kill()
    mesh.restart("acacia")
    until(lambda: None if mesh.peers("acacia") == 2 else "not 2", SOON, "two peers")
    assert mesh.command("acacia", "clear-peer-store").returncode == 0


def test_content_that_is_lost_is_replicated_again_by_the_manager(mesh: AgentMesh) -> None:
    """Copies removed from a disk are missed in the replication factor; a hanging manager repairs only when restarted."""
    for node in NODES:
        mesh.tell(node, "set", replication_hangs=True)
    for node in ("walnut", "acacia"):
        shutil.rmtree(mesh.folder / node / "dht" / "store")
    until(lambda: None if mesh.copies("ironwood") == 1 else str(mesh.copies("ironwood")), SOON, "one copy")
    time.sleep(1)
    assert mesh.copies("ironwood") == 1
    assert mesh.command("ironwood", "restart-replication").returncode == 0
    until(lambda: None if mesh.copies("ironwood") == 3 else "not yet", SOON, "three copies")
    for node in NODES:
        mesh.command(node, "restart-replication")


def test_a_damaged_routing_cache_fails_the_dht_until_it_is_cleared(mesh: AgentMesh) -> None:
    """Puts and gets fail while the cached routing table cannot be read, and work when the cache is cleared."""
    cache = mesh.folder / "acacia" / "dht" / "cache"
    (cache / "routing.json").write_bytes(b"\x00{")
    ran = mesh.command("acacia", "test-dht-operations")
    assert (ran.returncode, "routing table" in ran.stderr) == (1, True)
    for file in cache.iterdir():
        file.unlink()
    assert mesh.command("acacia", "test-dht-operations").returncode == 0


def test_a_task_flows_to_an_address_once(mesh: AgentMesh) -> None:
    """A task asked for anywhere is handled once by the admin's SLURP, also when it comes again, under a new admin too."""
    task = {"id": "flow-1", "address": "ucxl://me:worker@bzzz:flow-1/^^/a/b", "task": "draw"}
    for node, code in (("walnut", "UCXL-202-ACCEPTED"), ("acacia", "UCXL-200-DUPLICATE")):
        assert mesh.post(node, task).json()["code"] == code
    assert mesh.command("acacia", "trigger-election").returncode == 0
    until(mesh.healthy, SOON, "a new admin")
    assert mesh.post("front", task).json()["code"] == "UCXL-200-DUPLICATE"
    for node in (*NODES, "front"):
        found = mesh.get(node, "/ucxi/v1/resolve", address=task["address"]).json()
        assert (found["code"], found["data"]["content"]["handled"]) == ("UCXL-200-SUCCESS", 1)


def test_the_queue_is_bounded_and_its_failures_are_dead_letters(mesh: AgentMesh) -> None:
    """A queue that is not drained refuses at its bound; what cannot be handled ends as a dead letter."""
    leader = admin(mesh)
    mesh.tell(leader, "set", slurp_stalls=True)
    with httpx.Client(base_url=f"http://{LOOPBACK}:{mesh.http[leader]}") as client:
        codes = [client.post("/api/tasks", json={"task": str(n)}).json()["code"] for n in range(70)]
    status = mesh.get(leader, "/api/slurp/status").json()
    assert codes.count("UCXL-202-ACCEPTED") == status["queue_length"] == status["queue_capacity"] == 64
    assert codes[-1] == "UCXL-503-BACKPRESSURE"
    assert status["backpressure"]
    mesh.tell(leader, "set", slurp_stalls=False)
    until(
        lambda: None if mesh.get(leader, "/api/slurp/status").json()["queue_length"] == 0 else "no",
        SOON,
        "drained",
    )
    mesh.tell(leader, "set", slurp_fails=True)
    assert mesh.post(leader, {"id": "dead", "task": "x"}).status_code == 202
    until(
        lambda: None if mesh.metric(leader, "bzzz_slurp_dead_letters_total") == 1 else "no", SOON, "a letter"
    )
    assert mesh.get(leader, "/api/slurp/status").json()["recent_dead_letters"][0]["event"] == "dead"
    mesh.tell(leader, "set", slurp_fails=False)


def test_an_event_is_handled_twice_only_where_that_is_asked_for(mesh: AgentMesh) -> None:
    """Without idempotency a repeated event shows as handled more than once."""
    leader = admin(mesh)
    mesh.tell(leader, "set", slurp_repeats=True)
    for _ in range(2):
        assert mesh.post("acacia", {"id": "again", "task": "x"}).json()["code"] == "UCXL-202-ACCEPTED"
    until(
        lambda: None if mesh.get(leader, "/api/slurp/status").json()["handled_more_than_once"] else "no",
        SOON,
        "twice",
    )
    mesh.tell(leader, "set", slurp_repeats=False)


@pytest.mark.parametrize(
    ("conditions", "component", "score"),
    [
        ({"leak_mb": 120}, "memory", 0.0),
        ({"pubsub_mute": True}, "pubsub", 2 / 3),
        ({"dht_fails": True}, "dht", 0.0),
        ({"ucxi_lenient": True}, "ucxi", 0.0),
        ({"scores": {"slurp": 0.25}}, "slurp", 0.25),
    ],
)
def test_a_condition_shows_in_the_scores(
    mesh: AgentMesh, conditions: dict[str, object], component: str, score: float
) -> None:
    """What is wrong inside shows in the component's score; a dead critical one takes the system's below a half."""
    before = mesh.tell("acacia", "conditions")
    mesh.tell("acacia", "set", **conditions)
    series = f'bzzz_component_health_score{{component="{component}"}}'
    until(
        lambda: None if mesh.metric("acacia", series) == pytest.approx(score) else "no", seconds(3), component
    )
    system = mesh.metric("acacia", "bzzz_system_health_score")
    assert system is not None
    assert (system < 0.5) is (component == "memory")
    assert mesh.get("acacia", "/health").status_code == (503 if component == "memory" else 200)
    undone = {"leak_mb": 0, "pubsub_mute": False, "dht_fails": False, "ucxi_lenient": False, "scores": {}}
    mesh.tell("acacia", "set", **{name: undone[name] for name in conditions})
    assert before == mesh.tell("acacia", "conditions") == {}


def test_storage_that_is_gone_or_full_is_critical(mesh: AgentMesh) -> None:
    """A data folder that is not there, or full, takes the system's score below a half; what is cleaned up comes back."""
    data = mesh.folder / "acacia"
    data.rename(mesh.folder / "gone")
    until(lambda: None if mesh.scores()["acacia"] == 0 else "fine", seconds(3), "storage gone")
    (mesh.folder / "gone").rename(data)
    until(lambda: None if mesh.scores()["acacia"] == 1 else "bad", SOON, "storage back")
    (data / "tmp").mkdir()
    (data / "tmp" / "core").write_bytes(b"\x01" * 70 * 2**20)
    until(lambda: None if mesh.scores()["acacia"] == 0 else "fine", seconds(3), "disk full")
    assert "the disk is full" in mesh.get("acacia", "/health").json()["failing"]["storage-health"]
    assert mesh.command("acacia", "clean-up").returncode == 0


@pytest.mark.parametrize(
    "command", ["test-p2p-message", "test-dht-operations", "profile-cpu 0.2", "reprovide"]
)
def test_the_command_line_works_inside_a_task(mesh: AgentMesh, command: str) -> None:
    """The runbook's commands end with 0 and say what they saw."""
    ran = mesh.command("ironwood", *command.split())
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_command_line_tells_what_did_not_work(mesh: AgentMesh) -> None:
    """Nobody to tell, and nothing known by that name, are 2; a test that fails is 1."""
    assert mesh.command("ironwood", "make-coffee").returncode == 2
    assert mesh.command("ironwood", "profile-cpu", "long").returncode == 2
    for bootstrap in ("bootstrap-walnut", "bootstrap-acacia"):
        mesh.processes[bootstrap].pause()
    ran = mesh.command("ironwood", "test-p2p-message")
    for bootstrap in ("bootstrap-walnut", "bootstrap-acacia"):
        mesh.processes[bootstrap].resume()
    assert (ran.returncode, "no reply" in ran.stderr) == (1, True)


def test_the_control_refuses_what_it_does_not_know(mesh: AgentMesh) -> None:
    """A condition that does not exist, or of another type, is refused with those that there are."""
    for wrong in ({"no_such": 1}, {"leak_mb": "much"}):
        with pytest.raises(ControlFailed, match="leak_mb"):
            mesh.tell("walnut", "set", **wrong)


def test_an_agent_does_not_start_with_a_bad_configuration(tmp_path: Path) -> None:
    """A configuration that does not parse ends the agent at once, with what is wrong with it."""
    config = tmp_path / "config.yaml"
    config.write_text('{"election": {"timeout_s": "soon"}}', encoding="utf-8")
    env = {
        "PYTHONPATH": str(ROOT),
        "BZZZ_NODE": "walnut",
        "BZZZ_DATA": str(tmp_path),
        "BZZZ_HTTP_PORT": str(free_port()),
        "BZZZ_P2P_PORT": str(free_port()),
        "BZZZ_CONFIG": str(config),
    }
    argv = [sys.executable, "-m", "fixtures.bzzz.twin.agent"]
    ran = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert ran.returncode == 1
    assert "bzzz_v2_config: could not convert string to float: 'soon'" in ran.stderr

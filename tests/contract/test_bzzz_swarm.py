"""BZZZ on a real Swarm of one node: read, operated, cut and connected, behind ssh too; and nothing is left of it."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.configuration.criteria import attached, postgres_answers, sound_configuration
from fixtures.bzzz.twin.ports import NODES, Ports
from fixtures.bzzz.twin.site import BzzzTwin, start_twin
from fixtures.bzzz.twin.swarm.part import SwarmPart, SwarmTaken
from opsverify.model.arming import Arming
from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.servers.guard import Guard
from opsverify.servers.guard_process import (
    ask_docker,
    docker_socket,
    labelled,
    made_label,
    swarm_is_active,
    swarm_objects,
)
from opsverify.servers.images import ALERTMANAGER, POSTGRES, PROMETHEUS, provide_image, refuse_without_docker
from opsverify.servers.server import ServerFailed
from opsverify.target.file import ServersTable
from systems.bzzz.client import open_bzzz
from systems.bzzz.configuration import observations as looks
from systems.bzzz.operator import BzzzOperator
from systems.bzzz.section import BzzzSection
from systems.bzzz.services.client import ServiceFailed
from systems.bzzz.services.docker_api import open_docker
from systems.bzzz.services.swarm import SwarmClient
from systems.bzzz.services.swarm_operator import SwarmOperator
from systems.bzzz.services.target import ServicesTarget
from tests.contract.test_files_on_hosts import NEEDS_SSHD, Ssh

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.containers]

ROOT = Path(__file__).resolve().parents[2]
AGENT = "bzzz-v2_bzzz-agent"
VIRTUAL_ADDRESSES = Path("/proc/net/ip_vs").exists()
ARMED = Arming(target="test", owned=True)
PARENT = """
import json, time
from pathlib import Path
from systems.bzzz.section import BzzzSection
from fixtures.bzzz.twin.site import start_twin
from opsverify.target.file import ServersTable
twin = start_twin(BzzzSection(), ServersTable(provider="containers"))
guard = twin.stack.guard
print(json.dumps({"run": guard.run_id, "guard": guard._process.pid}), flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def docker() -> None:
    """Need a daemon and the images; without them a test is skipped with the reason, in CI it fails."""
    try:
        refuse_without_docker()
        for image in (POSTGRES, PROMETHEUS, ALERTMANAGER):
            provide_image(image)
    except ServerFailed as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no containers here: {failed}")


@pytest.fixture(scope="module")
def twin(docker: None) -> Iterator[BzzzTwin]:
    """Give a twin whose services are in a Swarm."""
    running = start_twin(BzzzSection(), ServersTable(provider="containers"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def target(twin: BzzzTwin) -> ServicesTarget:
    """Give the service manager of the twin."""
    assert twin.section.services is not None
    return twin.section.services


def asked(path: str) -> Any:
    """What the daemon answers."""
    return json.loads(ask_docker("GET", path))


def test_nothing_of_the_swarm_survives_the_run(docker: None) -> None:
    """SIGKILL of a run leaves no service, task, secret, config, network or swarm of it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        assert len(asked("/services")) == 6
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    end = time.monotonic() + 30
    while Path(f"/proc/{told['guard']}/stat").exists():
        assert time.monotonic() < end, "the guard is still at work"
        time.sleep(0.1)
    assert labelled(f"opsverify.run={told['run']}") == []
    assert swarm_objects("networks", f"opsverify.run={told['run']}") == []
    if swarm_is_active():  # of another run, which has waited for this one's end
        assert made_label() != told["run"]


async def test_a_swarm_is_read(target: ServicesTarget) -> None:
    """Services, tasks, nodes, uses, secrets' names, configs and logs are told as they are."""
    client = SwarmClient(target)
    services = {each.name: each for each in await client.services()}
    agent = services[AGENT]
    assert set(services) == set(target.expected)
    assert [(t.slot, t.node) for t in sorted(agent.running, key=lambda t: t.slot)] == list(
        enumerate(NODES, 1)
    )
    assert (agent.desired, agent.endpoint_mode, agent.networks) == (3, "dnsrr", ("bzzz-internal",))
    assert agent.update is not None
    assert (agent.update.failure_action, agent.update.parallelism) == ("rollback", 1)
    assert (agent.secrets, agent.configs) == (
        {target.secret: target.secret},
        {"/app/config/config.yaml": target.config},
    )
    assert (await client.nodes())[0].leader
    assert await client.secrets() == (target.secret,)
    assert json.loads((await client.configs())[target.config])["agent"]["role"]
    uses = await client.uses()
    assert {use.node for use in uses if use.service == AGENT} == set(NODES)
    assert all(0 < use.memory < use.memory_limit for use in uses)
    lines = await client.logs(AGENT, since=seconds(3600), most=5)
    assert len(lines) == 5
    assert all(re.match(r"\d{4}-.* (INFO|WARN|ERROR) ", line) for line in lines)
    with pytest.raises(Unobservable, match="no service"):
        await client.logs("bzzz-{{.Node.ID}}", since=seconds(60), most=5)


async def test_nothing_is_published_beyond_loopback(target: ServicesTarget) -> None:
    """No task of the Swarm and no server beside it listens for the network."""
    del target
    bound = [port for each in asked("/containers/json") for port in each["Ports"] if port.get("PublicPort")]
    assert {port["IP"] for port in bound} <= {"127.0.0.1"}
    assert not any(each["Endpoint"].get("Ports") for each in asked("/services"))


async def test_commands_run_inside_tasks(target: ServicesTarget) -> None:
    """A command runs in the task of a node, its status and output come back, and one that does not end is told."""
    operator = SwarmOperator(target)
    for node in NODES:
        ran = await operator.run(
            AGENT, ("sh", "-c", "echo $BZZZ_NODE; exit 3"), within=seconds(10), node=node
        )
        assert (ran.status, ran.output.strip()) == (3, node)
    assert (await operator.run(AGENT, ("no-such-program",), within=seconds(10))).status in {126, 127}
    begin = time.monotonic()
    with pytest.raises(ServiceFailed, match="has not ended after 1 s"):
        await operator.run(AGENT, ("sleep", "20"), within=seconds(1))
    assert time.monotonic() - begin < 5
    with pytest.raises(ServiceFailed, match=r"no running task of .* on nowhere"):
        await operator.run(AGENT, ("true",), within=seconds(5), node="nowhere")


async def test_a_cut_network_is_seen_and_connected_again(twin: BzzzTwin, target: ServicesTarget) -> None:
    """Tasks cut off the overlay are named; connected by hand they are not found by name, and restarted they are."""
    operator = SwarmOperator(target)
    async with open_bzzz(twin.section) as bzzz:
        assert attached(await looks.service_networks.function(bzzz)).holds
        await operator.disconnect(AGENT, target.network)
        assert attached(await looks.service_networks.function(bzzz)).reason == "task-cut-off"
        assert (
            postgres_answers(await BzzzOperator(twin.section, bzzz, ARMED).reach_postgres()).reason
            == "no-answer"
        )
        await operator.connect(AGENT, target.network)
        seen = attached(await looks.service_networks.function(bzzz))
        assert seen.reason == "task-not-found"
        assert f"{AGENT}.1" in seen.observed
        await operator.restart(AGENT)
        assert attached(await looks.service_networks.function(bzzz)).holds
        assert postgres_answers(await BzzzOperator(twin.section, bzzz, ARMED).reach_postgres()).holds
    found = await operator.run(AGENT, ("getent", "ahostsv4", f"tasks.{AGENT}"), within=seconds(10))
    assert len({line.split()[0] for line in found.output.splitlines()}) == 3


async def test_restarting_the_network_leaves_everybody_found(twin: BzzzTwin) -> None:
    """The runbook's way of restarting the network is completed: afterwards each task is found by its service's name."""
    async with open_bzzz(twin.section) as bzzz:
        told = await BzzzOperator(twin.section, bzzz, ARMED).restart_networking()
        assert f"{AGENT}.3 not resolved by name: completed" in told
        assert attached(await looks.service_networks.function(bzzz)).holds


async def test_a_new_secret_that_nobody_took_up_is_seen(twin: BzzzTwin, target: ServicesTarget) -> None:
    """A newer version of a secret beside the one in use is a finding, as on processes."""
    with open_docker(target) as api:
        made = api.sdk.create_secret(f"{target.secret}_v2", b"unused", labels={})["ID"]
    try:
        async with open_bzzz(twin.section) as bzzz:
            assert sound_configuration(await looks.configuration.function(bzzz)).reason == "superseded"
    finally:
        ask_docker("DELETE", f"/secrets/{made}")


async def test_a_kernel_without_service_addresses_is_told(twin: BzzzTwin, target: ServicesTarget) -> None:
    """Whether a service's virtual address carries anything is tried, and where it does not that is what is said."""
    with open_docker(target) as api:
        spec = api.sdk.inspect_service(target.postgres)["Spec"]
        network = spec["TaskTemplate"]["Networks"][0]["Target"]
        template = spec["TaskTemplate"] | {"Networks": [{"Target": network, "Aliases": ["virtual"]}]}
        made = api.sdk.create_service(
            template, name="bzzz-v2_virtual", labels=spec["Labels"], endpoint_spec={"Mode": "vip"}
        )["ID"]
    try:
        named = target.model_copy(update={"postgres": "bzzz-v2_virtual", "postgres_name": "virtual"})
        section = twin.section.model_copy(update={"services": named})
        async with open_bzzz(section) as bzzz:
            operator = BzzzOperator(section, bzzz, ARMED)
            end = time.monotonic() + 20
            while True:
                reached = await operator.reach_postgres()
                if 0 in {reached.status, reached.tasks_status} or time.monotonic() > end:
                    break
        assert postgres_answers(reached).reason == ("answers" if VIRTUAL_ADDRESSES else "no-service-vip")
    finally:
        ask_docker("DELETE", f"/services/{made}")


def test_a_swarm_that_is_not_ours_is_not_touched(twin: BzzzTwin, tmp_path: Path) -> None:
    """Where the daemon is in a swarm already, no twin is put into it, and it stays as it is."""
    del twin
    before = {each["ID"] for each in asked("/services")}
    with Guard() as guard, pytest.raises(SwarmTaken, match="in a swarm already"):
        SwarmPart(ServicesTarget(manager="docker+unix:///x"), Ports(), guard, tmp_path)
    assert {each["ID"] for each in asked("/services")} == before


@NEEDS_SSHD
async def test_a_swarm_is_read_and_operated_over_ssh(target: ServicesTarget, tmp_path: Path) -> None:
    """Behind ssh a Swarm is what it is here; a stranger's key is DENIED, an unknown host not trusted, a closed port REFUSED."""
    if shutil.which("docker") is None:
        pytest.skip("no docker program on this machine, which the way by ssh needs")
    with Guard() as guard:
        ssh = Ssh(tmp_path, guard, f"SetEnv DOCKER_HOST=unix://{docker_socket()} PATH={os.environ['PATH']}\n")

        def way(*, known: str = "known", key: str = "client", port: int = ssh.port) -> ServicesTarget:
            there = {
                "manager": f"docker+ssh://{getpass.getuser()}@127.0.0.1:{port}",
                "ssh_config": str(tmp_path / f"{known}.config"),
                "identity_file": str(tmp_path / key),
            }
            return target.model_copy(update=there)

        def of(services: Any) -> list[tuple[str, int]]:
            return [(each.name, len(each.running)) for each in services]

        assert of(await SwarmClient(way()).services()) == of(await SwarmClient(target).services())
        ran = await SwarmOperator(way()).run(AGENT, ("sh", "-c", "echo inside"), within=seconds(10))
        assert (ran.status, ran.output) == (0, "inside\n")
        for bad, kind in (
            (way(key="stranger"), ErrorKind.DENIED),
            (way(known="unknown"), ErrorKind.UNKNOWN_CA),
            (way(port=1), ErrorKind.REFUSED),
        ):
            with pytest.raises(Unobservable) as told:
                await SwarmClient(bad).services()
            assert told.value.kind is kind
        ssh.process.stop()


def test_the_front_door_answers(twin: BzzzTwin) -> None:
    """The main API is reached through a way on loopback, whichever container carries it."""
    assert twin.section.api is not None
    with urllib.request.urlopen(f"{twin.section.api.url}/health", timeout=5) as reply:  # noqa: S310 -- on loopback
        assert json.load(reply)["status"] == "healthy"

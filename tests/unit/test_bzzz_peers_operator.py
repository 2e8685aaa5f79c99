"""The actions on peers: armed one by one, by hand where there is no service manager, and otherwise on every agent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.arming import Arming, NotArmed
from opsverify.model.observation import Unobservable
from opsverify.model.operator import ByHand
from systems.bzzz import actions as base
from systems.bzzz.agents.models import Running
from systems.bzzz.network import operator as acting
from systems.bzzz.network.operator import PeersActions
from systems.bzzz.operator import BzzzOperator
from systems.bzzz.section import BzzzSection
from systems.bzzz.services.client import Ran, ServiceFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

NODES = {
    name: {"host": name, "agent": f"http://{name}:8081", "bootstrap": port}
    for name, port in (("walnut", 9101), ("ironwood", 9102), ("acacia", 9103))
}
ALONE = BzzzSection.model_validate({"nodes": NODES})
MANAGED = BzzzSection.model_validate({"nodes": NODES, "services": {"manager": "docker+tcp://127.0.0.1:1"}})
BY_HAND = {
    "restart_bootstraps": "docker service update --force bzzz-v2_dht-bootstrap-ironwood",
    "restart_agents": "docker service update --force bzzz-v2_bzzz-agent",
    "clear_peer_store": "rm -rf /app/data/peerstore.json, then docker service update --force",
    "trigger_election": "/app/bzzz trigger-election",
    "clear_election_state": "rm -rf /app/data/election.json",
    "restart_replication": "docker service update --force bzzz-v2_bzzz-agent",
    "reprovide_content": "/app/bzzz reprovide, on every node",
    "clear_dht_cache": "rm -rf /app/data/dht/cache/*",
}
ACTIVE = {"test_p2p_message", "test_dht_operations", "request_task"}


class Manager:
    """A service manager that writes down what it is asked for; commands end with these statuses by node."""

    def __init__(self, **statuses: int) -> None:
        self.statuses, self.asked = statuses, list[tuple[str, ...]]()

    async def restart(self, service: str) -> str:
        """Restart it."""
        self.asked.append(("restart", service))
        return f"{service} restarted"

    async def run(self, service: str, command: Sequence[str], *, within: timedelta, node: str = "") -> Ran:
        """Run it."""
        assert within > timedelta(0)
        self.asked.append((service, node, *command))
        return Ran(self.statuses.get(node, 0), f"said on {node}")


def operator(section: BzzzSection, *actions: str) -> Any:
    """An operator of a live target with these actions armed."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    arming = Arming(target="t", owned=False, actions=frozenset(actions), expires=expires, confirmed=True)
    nothing: Any = None
    return BzzzOperator(section, nothing, arming)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    """Put a manager where the target's would be, that runs an agent on each node."""
    own = Manager()

    async def running(_client: object) -> Running:
        return Running(nodes=("acacia", "ironwood", "walnut"))

    for module in (acting, base):
        monkeypatch.setattr(module, "operate_services", lambda _target: own)
    monkeypatch.setattr(acting, "running_agents", running)
    return own


@pytest.mark.parametrize(("name", "told"), BY_HAND.items())
def test_without_a_service_manager_a_person_is_told_what_to_do(name: str, told: str) -> None:
    """Each action says the runbook's command, and the checks that tell that it was done."""
    with pytest.raises(ByHand) as said:
        asyncio.run(getattr(operator(ALONE, name), name)())
    assert told in str(said.value)
    assert said.value.verified_by


def test_every_action_is_known_here() -> None:
    """No action on peers is without a test of what it tells a person, but those that only try things out."""
    own = {name for name, f in vars(PeersActions).items() if getattr(f, "is_action", False)}
    assert own == BY_HAND.keys() | ACTIVE


@pytest.mark.parametrize("name", sorted(BY_HAND.keys() | ACTIVE))
def test_nothing_is_done_that_is_not_armed(name: str, manager: Manager) -> None:
    """Every action refuses unless it is armed by its own name."""
    arguments = ("task", "ucxl://a:b@c:d/^^/e") if name == "request_task" else ()
    with pytest.raises(NotArmed, match=name):
        asyncio.run(getattr(operator(MANAGED, "something_else"), name)(*arguments))
    assert manager.asked == []


def test_a_store_is_cleared_on_every_node_before_the_agents_restart(manager: Manager) -> None:
    """The file is removed inside each agent's task, and only then are they restarted."""
    asyncio.run(operator(MANAGED, "clear_peer_store").clear_peer_store())
    assert [asked[1] for asked in manager.asked[:3]] == ["acacia", "ironwood", "walnut"]
    assert manager.asked[0][2:] == ("sh", "-c", 'rm -rf -- "${BZZZ_DATA:-/app/data}"/peerstore.json')
    assert manager.asked[3] == ("restart", "bzzz-v2_bzzz-agent")


def test_nothing_is_restarted_where_clearing_failed(manager: Manager) -> None:
    """A node on which it does not work ends it, named with what was said."""
    manager.statuses["ironwood"] = 1
    with pytest.raises(ServiceFailed, match="ironwood: status 1, said on ironwood"):
        asyncio.run(operator(MANAGED, "clear_election_state").clear_election_state())
    assert not any(asked[0] == "restart" for asked in manager.asked)


def test_an_election_is_asked_of_one_after_the_other(manager: Manager) -> None:
    """The first agent that takes it is the last that is asked; none that takes it is a failure."""
    manager.statuses["acacia"] = 2
    assert "ironwood" in asyncio.run(operator(MANAGED, "trigger_election").trigger_election())
    assert [asked[1] for asked in manager.asked] == ["acacia", "ironwood"]
    manager.statuses.update(dict.fromkeys(NODES, 2))
    with pytest.raises(ServiceFailed, match="no agent accepts"):
        asyncio.run(operator(MANAGED, "trigger_election").trigger_election())


def test_a_test_command_says_what_came_of_it_on_each_node(manager: Manager) -> None:
    """A status other than 0 is an answer; a program that is not there is none."""
    manager.statuses["walnut"] = 1
    seen = asyncio.run(operator(MANAGED, "test_p2p_message").test_p2p_message())
    assert [(ran.node, ran.status) for ran in seen.ran] == [("acacia", 0), ("ironwood", 0), ("walnut", 1)]
    assert seen.command == "/app/bzzz test-p2p-message"
    manager.statuses["walnut"] = 127
    with pytest.raises(Unobservable, match=r"check \[bzzz\.peers\] program"):
        asyncio.run(operator(MANAGED, "test_dht_operations").test_dht_operations())


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_target_too_small_for_the_limit_has_to_set_it(nodes: int) -> None:
    """Agents and bootstraps that cannot make three peers are refused until the limit says what is right."""
    few = dict(list(NODES.items())[:nodes])
    if nodes == 2:
        assert BzzzSection.model_validate({"nodes": few}).limits.peers.value == nodes * 2 - 1
        few["ironwood"] = {**few["ironwood"], "bootstrap": None}
    with pytest.raises(ValueError, match=r"set limits\.peers"):
        BzzzSection.model_validate({"nodes": few})
    assert BzzzSection.model_validate({"nodes": few, "limits": {"peers": nodes}})

"""Three agents, three bootstraps and a front door through the network process, without a supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from fixtures.control import tell
from opsverify.model.deadline import seconds
from opsverify.servers.process import LOOPBACK, OwnedProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.servers.guard import Guard

__all__ = ["NODES", "AgentMesh", "until"]

NODES = ("walnut", "ironwood", "acacia")
ROLES = {"walnut": ["admin", "worker"], "ironwood": ["admin", "worker"], "acacia": ["worker"]}
ROOT = Path(__file__).resolve().parents[2]
AGENT = "fixtures.bzzz.twin.agent"


@dataclass
class AgentMesh:
    """What was started, and how to ask it."""

    folder: Path
    guard: Guard
    config: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    processes: dict[str, OwnedProcess] = field(default_factory=dict)
    http: dict[str, int] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything; nobody has found anybody yet."""
        config = self.folder / "config.yaml"
        config.write_text(json.dumps({"agent": {"role": ROLES}, **self.config}), encoding="utf-8")
        real = {f"{kind}-{node}": free_port() for kind in ("agent", "bootstrap") for node in NODES}
        ways: list[dict[str, Any]] = []
        peers: dict[str, list[str]] = {node: [] for node in NODES}
        for origin in NODES:
            for name, behind in real.items():
                to = name.partition("-")[2]
                if name == f"agent-{origin}":
                    continue
                listen = free_port()
                ways.append({"from": origin, "to": to, "listen": listen, "host": LOOPBACK, "port": behind})
                peers[origin].append(f"{LOOPBACK}:{listen}")
        routes = self.folder / "routes.json"
        routes.write_text(json.dumps(ways), encoding="utf-8")
        self._run(
            "network",
            ["-m", "fixtures.bzzz.twin.network", str(routes), str(self.folder / "network.sock")],
            {},
        )
        for node in NODES:
            port = str(real[f"bootstrap-{node}"])
            self._run(
                f"bootstrap-{node}",
                ["-m", f"{AGENT}.bootstrap"],
                {"BZZZ_NODE": node, "BZZZ_BOOTSTRAP_PORT": port},
            )
            self.http[node] = free_port()
            data = self.folder / node
            data.mkdir()
            self.environments[node] = {
                "BZZZ_NODE": node,
                "BZZZ_HTTP_PORT": str(self.http[node]),
                "BZZZ_P2P_PORT": str(real[f"agent-{node}"]),
                "BZZZ_PEERS": json.dumps(peers[node]),
                "BZZZ_DATA": str(data),
                "BZZZ_CONFIG": str(config),
                "BZZZ_LOG": str(self.folder / f"{node}.agent.log"),
                "BZZZ_CONTROL": str(self.folder / f"{node}.sock"),
                **self.extra,
            }
            self.restart(node)
        self.http["front"] = free_port()
        agents = json.dumps([f"{LOOPBACK}:{self.http[node]}" for node in NODES])
        self._run(
            "front",
            ["-m", f"{AGENT}.front"],
            {"BZZZ_AGENTS": agents, "BZZZ_HTTP_PORT": str(self.http["front"])},
        )

    def restart(self, node: str) -> None:
        """Start a node's agent, anew where it ran."""
        if node in self.processes:
            self.processes[node].stop()
        self._run(node, ["-m", AGENT], self.environments[node])

    def _run(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        self.processes[name] = OwnedProcess.start(
            [sys.executable, *arguments],
            name=name,
            guard=self.guard,
            log=self.folder / f"{name}.log",
            env={**self.guard.environment(), "PYTHONPATH": str(ROOT), **env},
            cwd=ROOT,
        )

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self.processes.values()):
            process.stop()

    def tell(self, node: str, command: str, /, **arguments: Any) -> Any:
        """Tell an agent, or the network, something over its control."""
        return tell(self.folder / f"{node}.sock", command, arguments, within=seconds(5))

    def command(self, node: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as inside the task."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.environments[node]}
        argv = [sys.executable, "-m", f"{AGENT}.command", *words]
        return subprocess.run(
            argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
        )

    def get(self, name: str, path: str, **params: str) -> httpx.Response:
        """Ask an agent, or the front door."""
        return httpx.get(f"http://{LOOPBACK}:{self.http[name]}{path}", params=params, timeout=5)

    def post(self, name: str, document: object) -> httpx.Response:
        """Ask for a task."""
        return httpx.post(f"http://{LOOPBACK}:{self.http[name]}/api/tasks", json=document, timeout=5)

    def metric(self, node: str, series: str) -> float | None:
        """A series of an agent's page, None where it is not on it, or the agent does not answer."""
        try:
            page = self.get(node, "/metrics").text
        except httpx.TransportError:
            return None
        for line in page.splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return None

    def peers(self, node: str) -> float | None:
        """How many peers an agent counts."""
        return self.metric(node, "bzzz_p2p_connected_peers")

    def admins(self, nodes: tuple[str, ...] = NODES) -> list[str]:
        """The agents that are admin, as they see it."""
        return [node for node in nodes if self.metric(node, "bzzz_election_state") == 1]

    def scores(self) -> dict[str, float | None]:
        """Every agent's system score."""
        return {node: self.metric(node, "bzzz_system_health_score") for node in NODES}

    def copies(self, node: str) -> float | None:
        """The replication factor that an agent sees."""
        return self.metric(node, "bzzz_dht_replication_factor")

    def health(self, node: str) -> dict[str, str]:
        """Each check's word, empty while the agent does not answer."""
        try:
            checks = self.get(node, "/health/checks").json()["checks"]
        except httpx.TransportError:
            return {}
        return {name: str(one["status"]) for name, one in checks.items()}

    def healthy(self) -> str | None:
        """What keeps the mesh from being whole, None where nothing does."""
        try:
            seen: dict[str, dict[str, Any]] = {
                "peers": {node: self.peers(node) for node in NODES},
                "scores": self.scores(),
                "copies": {node: self.copies(node) for node in NODES},
                "admin": {node: self.get(node, "/api/election/status").json()["admin"] for node in NODES},
            }
        except httpx.TransportError as error:
            return str(error)
        whole = [set(seen[name].values()) for name in ("peers", "scores", "copies")] == [{5.0}, {1.0}, {3.0}]
        whole = whole and len(set(seen["admin"].values()) - {None}) == 1
        return None if whole and len(self.admins()) == 1 else json.dumps(seen)


def until(holds: Callable[[], str | None], within: timedelta, what: str) -> timedelta:
    """Wait until `holds` has nothing to say against it; how long that took."""
    began = time.monotonic()
    while (last := holds()) is not None:
        if time.monotonic() - began > within.total_seconds():
            msg = f"{what} not within {within.total_seconds():g} s; last seen: {last}"
            raise AssertionError(msg)
        time.sleep(0.05)
    return timedelta(seconds=time.monotonic() - began)

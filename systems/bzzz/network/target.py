"""The nodes of a BZZZ target."""

from __future__ import annotations

from pydantic import Field, field_validator

from opsverify.target.file import Table, address

__all__ = ["NodeTarget", "PeersTarget"]


class NodeTarget(Table):
    """One node: the HTTP address of its own agent (port 8081), the host and the ports of its P2P side.

    `p2p` is the agent's P2P port, `bootstrap` that of the DHT bootstrap on it, None where it has none. `shell` is how
    a shell on it is reached, `local://` or `ssh://[user@]host[:port]`; without it the node itself is not looked at.
    `logs` are the folders that its logs grow in.
    """

    host: str
    agent: str
    p2p: int = Field(default=9000, ge=1, le=65535)
    bootstrap: int | None = Field(default=None, ge=1, le=65535)
    shell: str | None = None
    logs: tuple[str, ...] = ("/var/lib/docker/containers", "/var/log")
    ssh_config: str | None = None
    identity_file: str | None = None

    @field_validator("agent")
    @classmethod
    def _http(cls, url: str) -> str:
        return address(url, ("http", "https"))

    @field_validator("shell")
    @classmethod
    def _shell(cls, host: str | None) -> str | None:
        return host if host in {None, "local://"} else address(str(host), ("ssh",))


class PeersTarget(Table):
    """What is known of the agents. `program` is the command line inside an agent's task (runbook: /app/bzzz)."""

    program: tuple[str, ...] = ("/app/bzzz",)

"""Models of the network between nodes: bootstraps, links, peers."""

from __future__ import annotations

from typing import Literal

from opsverify.model.observation import Observed
from systems.bzzz.agents.models import NotAnswering, Running

__all__ = ["Bootstrap", "Bootstraps", "Link", "Links", "Peer", "PeerLists"]


class Bootstrap(Observed):
    """The outcome of a connection to a bootstrap: `accepted` means that it was still open when `held_s` were over."""

    node: str
    address: str
    answer: Literal["accepted", "closed", "refused", "reset", "silent", "not-seen"]
    told: str = ""
    connect_ms: float = 0.0

    def __str__(self) -> str:
        return f"{self.node} {self.address}: {self.answer}{f' ({self.told})' if self.told else ''}"


class Bootstraps(Observed):
    """Every bootstrap, the nodes on which the target has one, and how long a connection was held open."""

    wanted: tuple[str, ...]
    bootstraps: tuple[Bootstrap, ...]
    held_s: float


class Link(Observed):
    """Whether `origin` reaches `target` on a port, tested by `how`; latency in milliseconds where it is known."""

    origin: str
    target: str
    what: str
    how: str
    reached: bool
    latency_ms: float | None = None
    told: str = ""

    def __str__(self) -> str:
        took = "" if self.latency_ms is None else f" in {self.latency_ms:.1f} ms"
        outcome = f"reached{took}" if self.reached else f"NOT reached{f': {self.told}' if self.told else ''}"
        return f"{self.origin} to {self.target} {self.what}: {outcome} ({self.how})"


class Links(Observed):
    """Every link that was tested; `places` says from where; `silent` are the agents that did not answer, `missing` a
    message for each that does not list its peers while others do.
    """

    links: tuple[Link, ...]
    places: tuple[str, ...]
    silent: tuple[NotAnswering, ...]
    missing: tuple[str, ...]


class Peer(Observed):
    """A peer that an agent is connected to: its node, `agent` or `bootstrap`, and how long it takes there and back."""

    node: str
    kind: str
    latency_ms: float | None = None
    replies: bool


class PeerLists(Observed):
    """The number of peers of each agent by instance, with its node's own report as `evidence`; `wanted` is how many agents
    should have a number, and `missing` says where one has none.
    """

    counts: dict[str, float]
    running: Running
    wanted: int
    missing: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

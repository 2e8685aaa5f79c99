"""Models of the election and of SLURP, as the nodes report them."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed
from systems.bzzz.agents.models import NotAnswering, Running

__all__ = ["Election", "ElectionWindow", "NodeElection", "NodeSlurp", "Roles", "Slurp"]


class NodeElection(Observed):
    """A node's own view of the election: who is admin (None: nobody), the term, its own state, the newest heartbeat
    it knows of, and the roles of each candidate it knows.
    """

    node: str
    admin: str | None
    term: int
    state: str
    heartbeat: AwareDatetime | None = None
    at: AwareDatetime
    candidates: dict[str, tuple[str, ...]] = {}

    def __str__(self) -> str:
        beat = f", heartbeat {(self.at - self.heartbeat).total_seconds():.1f} s old" if self.heartbeat else ""
        return f"{self.node}: admin {self.admin or 'nobody'}, term {self.term}, state {self.state or 'unknown'}{beat}"


class Election(Observed):
    """Every node's own view. `earlier` is the first sample, where a second one was taken.

    `elsewhere` is a line of evidence from Prometheus, `roles` one from the configuration.
    """

    views: tuple[NodeElection, ...]
    silent: tuple[NotAnswering, ...]
    running: Running
    earlier: tuple[str, ...] = ()
    elsewhere: str = ""
    roles: str = ""


class ElectionWindow(Observed):
    """Every node's view at the beginning and at the end of a window; `changes` is Prometheus's count of an hour."""

    first: tuple[NodeElection, ...]
    last: tuple[NodeElection, ...]
    silent: tuple[NotAnswering, ...]
    running: Running
    changes: str = ""


class Roles(Observed):
    """Roles of each node by the configuration, its name, and the nodes on which an agent runs."""

    config: str
    roles: dict[str, tuple[str, ...]]
    running: Running


class NodeSlurp(Observed):
    """A node's view of SLURP: who leads and whether it is this node that does, entries that wait and the bound of the
    queue, dead letters, and how many events it has handled and recognised as repeated.
    """

    node: str
    leader: str | None
    leading: bool
    queue: int
    capacity: int
    dead_letters: int
    backpressure: bool
    handled: int = 0
    duplicates: int = 0

    def __str__(self) -> str:
        pressed = ", under backpressure" if self.backpressure else ""
        return f"{self.node}: led by {self.leader or 'nobody'}, queue {self.queue} of {self.capacity}{pressed}, {self.dead_letters} dead letters, {self.duplicates} duplicates dropped"


class Slurp(Observed):
    """Every node's view of SLURP at the beginning and at the end of a window, and the admin each of them knows."""

    first: tuple[NodeSlurp, ...]
    last: tuple[NodeSlurp, ...]
    admins: dict[str, str | None]
    silent: tuple[NotAnswering, ...]
    running: Running

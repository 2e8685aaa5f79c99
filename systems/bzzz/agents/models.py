"""Models of the agents: health and components, UCXI's answers, task flow, running agents, test commands."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime

from opsverify.model.observation import ErrorKind, Observed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Boundary",
    "Component",
    "ComponentState",
    "Components",
    "Health",
    "NodeComponents",
    "NotAnswering",
    "Refusal",
    "Repeated",
    "Running",
    "TaskFlow",
    "TaskRan",
    "TasksRan",
]


class ComponentState(StrEnum):
    """Reported state of a component, worst last."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Health(Observed):
    """The reply of /health: its state, the status as written, the HTTP status, and the body in short."""

    state: ComponentState
    word: str
    status: int
    shown: str


class Component(Observed):
    """One entry of /health/checks. `message` is its own, cleaned; `last_check` the time of its last check, if reported."""

    name: str
    state: ComponentState
    message: str = ""
    last_check: AwareDatetime | None = None
    latency_ms: float | None = None

    def __str__(self) -> str:
        message = " ".join(self.message.split())  # a server's error may have several lines
        return f"{self.name} {self.state}{f': {message}' if message else ''}"


class Components(Observed):
    """All entries of /health/checks of one agent, those with an unknown status (`strange`), and how many it lists."""

    components: tuple[Component, ...]
    strange: tuple[str, ...]
    listed: int

    def named(self, name: str) -> Component | None:
        """The component of that name."""
        return next((c for c in self.components if c.name == name), None)


class Refusal(Observed):
    """What UCXI answered to one address: the HTTP status and the UCXL code, "" where it carries none."""

    address: str
    meant: str
    status: int
    code: str


class Boundary(Observed):
    """UCXI's answers to addresses that are malformed, and to one that is well formed and names nothing."""

    malformed: tuple[Refusal, ...]
    well_formed: Refusal


class TaskFlow(Observed):
    """A task request followed to its UCXL address. `accepted` is the HTTP status of the request, and `refused` the reply
    where it was refused; `status` and `code` are UCXI's last answer to the address; `holds_task` says that the resolved
    content names the task; `took_s` is from request to resolution.
    """

    task: str
    accepted: int
    refused: str
    address: str = ""
    well_formed: bool = False
    resolved: bool = False
    status: int = 0
    code: str = ""
    holds_task: bool = False
    took_s: float = 0.0


class Repeated(Observed):
    """The same event sent twice: the reply to the second (`said`), which was `taken` as if it were new, recognised as a
    `duplicate` or `refused`, and how many times the event was handled.
    """

    task: str
    said: str
    second: Literal["taken", "duplicate", "refused"]
    times: int


class Running(Observed):
    """The nodes on which an agent runs, one entry per task; None where that is unknown, and `why`."""

    nodes: tuple[str, ...] | None
    why: str = ""

    def excuses(self, node: str) -> bool:
        """Whether nothing can answer there, because no agent runs on it."""
        return self.nodes is not None and node not in self.nodes

    def without(self, nodes: Iterable[str]) -> list[str]:
        """The nodes on which an agent runs, but these."""
        return sorted({*(self.nodes or ())} - {*nodes})

    def __str__(self) -> str:
        return (
            f"number of running agents unknown ({self.why})"
            if self.nodes is None
            else f"{len(self.nodes)} agents running"
        )


class NotAnswering(Observed):
    """A node whose agent should answer and does not."""

    node: str
    kind: ErrorKind
    told: str

    def __str__(self) -> str:
        return f"{self.node} does not answer: {self.kind}, {self.told}"


class NodeComponents(Observed):
    """One component's health, as each node's own agent reports it; a node whose agent does not list it is in `without`."""

    name: str
    nodes: dict[str, Component]
    without: tuple[str, ...]
    silent: tuple[NotAnswering, ...]
    running: Running


class TaskRan(Observed):
    """A command that was run inside the agent's task on a node: its exit status and what it wrote."""

    node: str
    status: int
    output: str


class TasksRan(Observed):
    """A command of BZZZ's own command line, run on every one of the nodes that run an agent."""

    command: str
    nodes: tuple[str, ...]
    ran: tuple[TaskRan, ...]

"""Observed values of Nissa: its pages, its ingest, and the canary message."""

from __future__ import annotations

from typing import Literal

from opsverify.model.observation import Observed
from systems.esper.section import Workload

__all__ = [
    "CanaryMessage",
    "CoreAlert",
    "Ingest",
    "NissaHealth",
    "NissaMetrics",
    "NissaSummary",
    "Slo",
]


class NissaHealth(Observed):
    """Reply of /healthz."""

    status: int
    body: str


class NissaMetrics(Observed):
    """Reply of /metrics: families, counters by `name{labels}`, or why it is not a valid exposition."""

    invalid: str
    families: tuple[str, ...]
    counters: dict[str, float]


class CoreAlert(Observed):
    """An active alert of /metrics/summary. `value` is the value at its activation."""

    name: str
    metric: str
    value: float
    routes: tuple[str, ...]


class Slo(Observed):
    """An SLO's samples over Nissa's 720 h."""

    name: str
    total: int
    violations: int
    burn_rate: float


class NissaSummary(Observed):
    """Reply of /metrics/summary, with the age (s) of each core alert's metric on the bus: None if it is not there."""

    workload: Workload
    alerts: tuple[CoreAlert, ...]
    slos: tuple[Slo, ...]
    fed_s: dict[str, float | None]


class Ingest(Observed):
    """Arrivals against Nissa's counters over a window.

    `arrived` and `counted` are by stream role; `handled` and `counted_kinds` by message type: how many entries Nissa's
    group acknowledged in the window (a lower bound), and by how much Nissa's counters of them rose. `handled` is empty if
    several consumers share the work on purpose. `missing` are the roles without a stream. `consumers` are the active ones.
    `caught_up` says that the groups exist with lag and pending 0, `owed` why not; `reset` names counters that went
    backwards. `quiet_s` is the age of the last entry of each role's stream (None: it never had one); `rerouted` says that
    the emergency stream got an entry after the normal stream's last.
    """

    workload: Workload
    names: dict[str, str]
    missing: tuple[str, ...]
    quiet_s: dict[str, float | None]
    rerouted: bool
    arrived: dict[str, int]
    counted: dict[str, float]
    handled: dict[str, int]
    counted_kinds: dict[str, float]
    consumers: tuple[str, ...]
    caught_up: bool
    owed: str
    reset: tuple[str, ...]
    seconds: float
    settled: float


class CanaryMessage(Observed):
    """A canary message from XADD to Nissa's counter. `refused` is Redis's error if it refused the XADD."""

    entry: str
    packet: str
    signed: bool
    refused: str
    delivered: bool
    acknowledged: bool
    counted: bool
    waited_s: float
    left_behind: Literal["nothing", "one entry, one counter series, one Elasticsearch document"]

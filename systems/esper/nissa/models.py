"""What can be seen of Nissa: the shapes of its observed values."""

from __future__ import annotations

from typing import Literal

from opsverify.model.observation import Observed
from systems.esper.section import Workload

__all__ = [
    "CanaryRun",
    "CoreAlert",
    "Ingest",
    "NissaHealth",
    "NissaMetrics",
    "NissaSummary",
    "Slo",
]


class NissaHealth(Observed):
    """The answer of /healthz."""

    status: int
    body: str


class NissaMetrics(Observed):
    """The answer of /metrics: families found, counters by `name{labels}`, or why it is no exposition."""

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
    """The answer of /metrics/summary, with how long ago (s) each core alert's metric came last: None where it did not."""

    workload: Workload
    alerts: tuple[CoreAlert, ...]
    slos: tuple[Slo, ...]
    fed_s: dict[str, float | None]


class Ingest(Observed):
    """Arrivals against Nissa's counters over a window.

    `arrived` and `counted` are by stream role; `handled` and `counted_kinds` by message type: what Nissa's group has had
    and acknowledged in the window (a lower bound), and how far Nissa's counters of it moved. `handled` is empty where
    several consumers share the work on purpose. `missing` are the roles without a stream. `consumers` are those at work. `caught_up` says that groups exist and owe nothing; `reset`
    names counters that went backwards. `quiet_s` is how long ago each role's stream, where there is one, was given its
    last entry (None: never); `rerouted` says that the emergency stream was given one after the normal stream's last.
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


class CanaryRun(Observed):
    """A canary message's way. `refused` is the bus's own words where it took no write."""

    entry: str
    packet: str
    signed: bool
    refused: str
    delivered: bool
    acknowledged: bool
    counted: bool
    waited_s: float
    left_behind: Literal["nothing", "one entry, one counter series, one Elasticsearch document"]

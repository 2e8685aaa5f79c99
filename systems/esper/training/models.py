"""Observed values of the training side: Tolaria, Kasmina, Tamiyo, Simic, and enum values on the bus."""

from __future__ import annotations

from datetime import datetime

from opsverify.model.observation import Observed
from systems.esper.section import Workload

__all__ = [
    "MOST_READINGS",
    "AlertAgreement",
    "BlueprintRisk",
    "Conservative",
    "Decisions",
    "EnumValues",
    "Epoch",
    "EventSeen",
    "HealthTold",
    "Isolation",
    "KernelLoad",
    "Kernels",
    "PolicyStream",
    "PolicyValidation",
    "Quarantine",
    "Reading",
    "SourceSeen",
    "TolariaHealth",
    "TolariaRun",
    "Training",
]


MOST_READINGS = 1000
"""Most readings kept of a source, of its newest packets."""


class SourceSeen(Observed):
    """A source of telemetry among the newest `read` entries.

    `age_s` is that of its newest packet by Redis's clock, None if there is none; `others` are the sources
    with packets. Health, its summary and indicators are those of the newest packet.
    """

    source: str
    workload: Workload
    read: int
    packets: int
    age_s: float | None
    entry: str
    health: str
    summary: str
    indicators: dict[str, str]
    others: tuple[str, ...]

    def has_more(self, readings: int) -> bool:
        """Whether it has more packets than these readings, one of each."""
        return readings < min(self.packets, MOST_READINGS)


class Reading(Observed):
    """A metric in one packet: its value, or None if the packet lacks it."""

    metric: str
    value: float | None
    packet: str
    entry: str
    age_s: float


class EventSeen(Observed):
    """An event of one packet."""

    description: str
    level: str
    attributes: dict[str, str]
    packet: str
    age_s: float


class Epoch(Observed):
    """An epoch of Tolaria: loss and latency (ms) in its packet."""

    packet: str
    entry: str
    loss: float | None
    latency_ms: float | None


class TolariaRun(Observed):
    """Tolaria's epochs, oldest first: while it runs the newest across runs, else those of the last run.

    There are `count` of them. `completed` says whether its completion packet has come.
    """

    source: SourceSeen
    count: int
    epochs: tuple[Epoch, ...]
    completed: bool


class HealthTold(Observed):
    """Health (empty if it has none) and active seeds in one packet of Tolaria."""

    packet: str
    entry: str
    health: str
    summary: str
    indicators: dict[str, str]
    seeds: float | None


class TolariaHealth(Observed):
    """Tolaria's health: in its newest epoch while it runs, else in each epoch of its last run, `count` in all.

    `events` go with these.
    """

    source: SourceSeen
    count: int
    told: tuple[HealthTold, ...]
    events: tuple[EventSeen, ...]


class AlertAgreement(Observed):
    """Nissa's latency alert against the packets that feed it.

    `active` is what Nissa says; `by_rule` what its rule says for these packets, at their end or as far back as Nissa may be
    behind. `latencies` are those of the `epochs`, oldest first, the newest `behind` of which Nissa may not have had
    yet; `reset_by` is the packet that came after the last of them and cleared the alert, `looks` the number of samples.
    """

    workload: Workload
    active: bool
    value: float | None
    by_rule: tuple[bool, ...]
    epochs: int
    latencies: tuple[float | None, ...]
    behind: int
    reset_by: str
    looks: int


class Acknowledged(Observed):
    """Violations that somebody has investigated, and until when that is valid."""

    count: int
    owner: str
    expires: datetime


class Isolation(Observed):
    """Kasmina's violation counter, newest first, at `at` (UTC) of Redis's clock; with its events and seeds."""

    source: SourceSeen
    at: datetime
    readings: tuple[Reading, ...]
    recorded: tuple[EventSeen, ...]
    seeds: tuple[str, ...]
    acknowledged: Acknowledged | None


class KernelLoad(Observed):
    """Kernels in one packet of Kasmina: fetch latency (None: the last load used the fallback), and fallbacks."""

    fetch: Reading
    fallbacks: tuple[EventSeen, ...]


class Kernels(Observed):
    """Kernel loads in Kasmina's newest packets, newest first."""

    source: SourceSeen
    loads: tuple[KernelLoad, ...]


class Conservative(Observed):
    """Tamiyo's conservative mode, newest first in `modes`; with the events that explain it."""

    source: SourceSeen
    modes: tuple[Reading, ...]
    reasons: tuple[EventSeen, ...]
    loss_delta: float | None
    risk: float | None


class BlueprintRisk(Observed):
    """A blueprint's risk and tier in the library; `risk` is None if its metadata have none."""

    id: str
    tier: str
    risk: float | None


class Quarantine(Observed):
    """Risk and tier of the blueprint that Tamiyo last decided on, beside the library's.

    `blueprint` is the id in the newest field report, empty if there is none; `library` are the library's `rows`, or
    `unreadable` says why there are none. `response` are Tamiyo's quarantines and pauses.
    """

    source: SourceSeen
    risk: Reading
    tier: str
    blueprint: str
    rows: int
    library: tuple[BlueprintRisk, ...]
    unreadable: str
    response: tuple[EventSeen, ...]


class Decisions(Observed):
    """The values that Tamiyo decides on: the highest of each metric in the judged packets; None: in none of them."""

    source: SourceSeen
    highest: tuple[Reading, ...]


class Training(Observed):
    """Simic's reward and loss in its newest packet.

    Without a packet of Simic `waiting_s` is how long training has been waiting for one; otherwise None.
    """

    source: SourceSeen
    waiting_s: float | None
    readings: tuple[Reading, ...]


class PolicyValidation(Observed):
    """Outcome of Simic's validation.

    `passed` is the newest packet's simic.validation.pass, None if it has none; `lag_s` by how much
    training is newer than that packet, or has been waiting for a first one; `pauses` how often Tamiyo paused.
    """

    source: SourceSeen
    passed: float | None
    reasons: str
    training_age_s: float | None
    lag_s: float
    pauses: int


class PolicyStream(Observed):
    """The newest entry of the policy stream; `simic_age_s` is the age of Simic's newest packet."""

    stream: str
    workload: Workload
    entry: str
    problem: str
    message_type: str
    policy_id: str
    age_s: float | None
    simic_age_s: float | None


class EnumValues(Observed):
    """Enum values on the bus that Leyline does not know, each with stream, entry id and place in its message.

    `known` of the `messages` carry no such value; `messages` are by stream, `names` the streams that should be there.
    `missing` are the streams that cannot be read, each with what is there instead.
    """

    names: tuple[str, ...]
    messages: dict[str, int]
    known: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    health_from: tuple[str, ...]

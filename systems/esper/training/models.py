"""What can be seen of the training side on the bus: the shapes of its observed values."""

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
"""Of so many packets of a source, the newest, each reading is kept."""


class SourceSeen(Observed):
    """How a source of telemetry shows itself among the `read` newest entries.

    `age_s` is that of its newest packet by Redis's clock, None where there is none; `others` are the sources that
    do show. Health, its summary and indicators are those of the newest packet.
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
        """Whether it shows more packets than there are readings of one each."""
        return readings < min(self.packets, MOST_READINGS)


class Reading(Observed):
    """A metric in one packet: its value, None where the packet lacks it."""

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
    """An epoch of Tolaria's: loss and latency (ms) as its packet tells them."""

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
    """What one packet of Tolaria says of its health (empty where it carries none) and its active seeds."""

    packet: str
    entry: str
    health: str
    summary: str
    indicators: dict[str, str]
    seeds: float | None


class TolariaHealth(Observed):
    """How Tolaria feels: in its newest epoch while it runs, else in each of its last run, `count` in all.

    `events` go with these.
    """

    source: SourceSeen
    count: int
    told: tuple[HealthTold, ...]
    events: tuple[EventSeen, ...]


class AlertAgreement(Observed):
    """Nissa's latency alert against the packets that feed it.

    `active` is what Nissa says; `by_rule` what its rule makes of the packets, at their end or within what Nissa may be
    behind. `latencies` are those of the `epochs`, oldest first, the newest `behind` of which Nissa may not have had
    yet; `reset_by` is the packet that came after the last of them and cleared the alert, `looks` how often it was looked.
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
    """Violations that somebody has looked into, until when."""

    count: int
    owner: str
    expires: datetime


class Isolation(Observed):
    """Kasmina's violation counter, newest first, at `at` (UTC) of Redis's clock; and what it says of single seeds."""

    source: SourceSeen
    at: datetime
    readings: tuple[Reading, ...]
    recorded: tuple[EventSeen, ...]
    seeds: tuple[str, ...]
    acknowledged: Acknowledged | None


class KernelLoad(Observed):
    """What one packet of Kasmina says of kernels: its fetch latency (None: the last load used the fallback), and fallbacks."""

    fetch: Reading
    fallbacks: tuple[EventSeen, ...]


class Kernels(Observed):
    """Kasmina's kernels as its newest packets tell of them, newest first."""

    source: SourceSeen
    loads: tuple[KernelLoad, ...]


class Conservative(Observed):
    """Tamiyo's conservative mode, newest first in `modes`; and what it says of the reasons."""

    source: SourceSeen
    modes: tuple[Reading, ...]
    reasons: tuple[EventSeen, ...]
    loss_delta: float | None
    risk: float | None


class BlueprintRisk(Observed):
    """A blueprint's risk and tier as the library tells them; `risk` is None where its metadata tell none."""

    id: str
    tier: str
    risk: float | None


class Quarantine(Observed):
    """The risk and tier of the blueprint that Tamiyo last decided on, against the library's.

    `blueprint` is the id in the newest field report, empty where there is none; `library` are the library's `rows`, or
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
    """What Tamiyo decides on, the highest value of each metric in the packets that are judged; None: in none of them."""

    source: SourceSeen
    highest: tuple[Reading, ...]


class Training(Observed):
    """Simic's reward and loss in its newest packet.

    Where nothing of Simic shows, `waiting_s` is how long training has been waiting for it; otherwise None.
    """

    source: SourceSeen
    waiting_s: float | None
    readings: tuple[Reading, ...]


class PolicyValidation(Observed):
    """What came of Simic's validation.

    `passed` is the newest packet's simic.validation.pass, None where it says nothing of it; `lag_s` by how much
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

"""What can be seen of the Oona bus: the shapes of its observed values."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from opsverify.model.observation import Observed
from systems.esper.bus.entries import Decoded
from systems.esper.bus.target import Role
from systems.esper.section import Workload

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Consumption",
    "Durability",
    "Entry",
    "Flow",
    "GroupPresence",
    "GroupState",
    "NewestEntries",
    "Progress",
    "QueueState",
    "RedisStatus",
    "ServiceGroups",
    "StreamState",
    "order",
]


def order(entry: str) -> tuple[int, int]:
    """An entry id as numbers that compare as Redis compares them."""
    milliseconds, _, sequence = entry.partition("-")
    return int(milliseconds), int(sequence or 0)


def _lacking(wanted: Iterable[tuple[str, str]], told: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The groups on streams that are wanted more often than told of: two roles may share one stream."""
    lacking = Counter(wanted) - Counter(told)
    return tuple(f"{group} on {stream}" for group, stream in lacking)


class RedisStatus(Observed):
    """A Redis server as INFO tells it. `refuses` says why writes would be refused, or is empty."""

    engine: str
    version: str
    run_id: str
    role: str
    uptime_s: int
    has_streams: bool
    refuses: str

    @property
    def identity(self) -> str:
        """Which server, in one text: another one after a restart."""
        return f"{self.engine} {self.version} run_id {self.run_id[:12]}"


class Durability(Observed):
    """What a restart or full memory would do to the bus. `save` are the snapshot rules, empty where there are none."""

    append_only: bool
    save: str
    maxmemory: int
    used_memory: int
    policy: str


class Flow(Observed):
    """Two samples of the streams over `seconds`: entries added by role, and lengths at the end.

    `missing` are the roles without a stream, each with what stands there instead.
    """

    workload: Workload
    added: dict[str, int]
    lengths: dict[str, int]
    names: dict[str, str]
    missing: dict[str, str]
    emergency_read_by: tuple[str, ...]
    seconds: float


class GroupState(Observed):
    """A consumer group on one stream. `lag` is a lower bound where `lag_exact` is false (Redis could not tell).

    `gone` is how many entries are no longer on the stream that the group was still owed, as far as Redis can tell.
    """

    name: str
    consumers: int
    pending: int
    last_delivered: str
    lag: int
    lag_exact: bool
    gone: int


class StreamState(Observed):
    """One stream. `kind` is its Redis type, `none` where the key does not exist; `added` counts entries ever added.

    `deleted` is the highest id that was ever deleted (not: trimmed), `0-0` where none was or Redis (before 7) does not tell.
    """

    role: Role
    name: str
    kind: str
    length: int
    last_id: str
    added: int
    deleted: str
    groups: tuple[GroupState, ...]

    @classmethod
    def none(cls, role: Role, name: str, kind: str) -> StreamState:
        """What stands under a stream's name and is no stream."""
        return cls(
            role=role, name=name, kind=kind, length=0, last_id="0-0", added=0, deleted="0-0", groups=()
        )

    def group(self, name: str) -> GroupState | None:
        """The group of that name, if the stream has it."""
        return next((g for g in self.groups if g.name == name), None)


class GroupPresence(Observed):
    """Whether a group that a service needs exists on one of its streams; `others` are the groups that do."""

    group: str
    stream: str
    kind: str
    present: bool
    others: tuple[str, ...]


class ServiceGroups(Observed):
    """The groups that the services need: `needed` names each with its stream, `found` says of each what is there."""

    needed: tuple[tuple[str, str], ...]
    found: tuple[GroupPresence, ...]

    @property
    def untold(self) -> tuple[str, ...]:
        """The groups that are needed and of which nothing is said."""
        return _lacking(self.needed, ((g.group, g.stream) for g in self.found))


class QueueState(Observed):
    """The normal stream: how long it is, and what its `readers` still have to do (`behind`: group → entries).

    `exact` are the groups whose count is no mere lower bound, `missing` the readers whose groups do not exist; `kind` is
    the key's Redis type, as in StreamState.
    """

    name: str
    kind: str
    length: int
    readers: tuple[str, ...]
    behind: dict[str, int]
    exact: tuple[str, ...]
    missing: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def at_least(self) -> tuple[str, ...]:
        """The groups whose count is a lower bound."""
        return tuple(group for group in self.behind if group not in self.exact)

    @property
    def untold(self) -> tuple[str, ...]:
        """The readers of which it is not told how far they are: for most their group does not exist."""
        return tuple(dict.fromkeys((*self.missing, *(r for r in self.readers if r not in self.behind))))


class Progress(Observed):
    """One group on one stream over a window of `seconds`, `settled` being what was waited beyond it for movement.

    `deleted` is the highest id that was deleted from the stream, `oldest` are ids of the oldest pending entries and `oldest_idle_s` how long the first has been with its consumer.
    """

    group: str
    stream: str
    first: GroupState
    last: GroupState
    added: int
    seconds: float
    settled: float
    oldest: tuple[str, ...]
    oldest_idle_s: float
    deleted: str

    @property
    def advanced(self) -> bool:
        """Whether anything was delivered in the window."""
        return self.first.last_delivered != self.last.last_delivered

    @property
    def deleted_undelivered(self) -> bool:
        """Whether entries were deleted that this group never had, and now never will."""
        return self.last.gone > 0 or order(self.deleted) > order(self.last.last_delivered)

    @property
    def untold(self) -> bool:
        """Whether a time that it is judged by is no number."""
        return math.isnan(self.oldest_idle_s) or math.isnan(self.seconds)

    @property
    def pending_grows(self) -> bool:
        """Whether deliveries pile up unacknowledged: more than before, and the oldest one is not of this window."""
        return self.last.pending > self.first.pending and self.oldest_idle_s >= self.seconds


class Consumption(Observed):
    """How the services' groups get on, each (group, stream) of `wanted`.

    `missing` are those that cannot be looked at, each with what is there instead.
    """

    wanted: tuple[tuple[str, str], ...]
    progress: tuple[Progress, ...]
    missing: tuple[str, ...]

    @property
    def untold(self) -> tuple[str, ...]:
        """The groups of which nothing is said, each with its stream."""
        return _lacking(self.wanted, ((p.group, p.stream) for p in self.progress))


class Entry(Observed):
    """A stream entry with what it decodes to."""

    id: str
    decoded: Decoded


class NewestEntries(Observed):
    """The newest entries of each stream, newest first. `verified` says whether a secret was there to verify with.

    `names` are those that should be there, `counts` how many entries Redis gave of each. `missing` are the streams that
    cannot be read, each with what is there instead.
    """

    names: tuple[str, ...]
    counts: dict[str, int]
    streams: dict[str, tuple[Entry, ...]]
    missing: tuple[str, ...]
    verified: bool

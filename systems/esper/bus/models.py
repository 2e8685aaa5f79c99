"""Observed values of the Oona bus: server, streams, consumer groups, entries."""

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


def _lacking(wanted: Iterable[tuple[str, str]], observed: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """(group, stream) pairs that are wanted more often than they were observed: two roles may share one stream."""
    lacking = Counter(wanted) - Counter(observed)
    return tuple(f"{group} on {stream}" for group, stream in lacking)


class RedisStatus(Observed):
    """A Redis server by its INFO. `refuses` says why writes would be refused, or is empty."""

    engine: str
    version: str
    run_id: str
    role: str
    uptime_s: int
    has_streams: bool
    refuses: str

    @property
    def identity(self) -> str:
        """Identity of the server as one text; a restart changes it."""
        return f"{self.engine} {self.version} run_id {self.run_id[:12]}"


class Durability(Observed):
    """Persistence and memory limits of the bus. `save` are the snapshot rules, empty if there are none."""

    append_only: bool
    save: str
    maxmemory: int
    used_memory: int
    policy: str


class Flow(Observed):
    """Two samples of the streams over `seconds`: entries added by role, and lengths at the end.

    `missing` are the roles without a stream, each with what is there instead.
    """

    workload: Workload
    added: dict[str, int]
    lengths: dict[str, int]
    names: dict[str, str]
    missing: dict[str, str]
    emergency_read_by: tuple[str, ...]
    seconds: float


class GroupState(Observed):
    """A consumer group on one stream. `lag` is a lower bound if `lag_exact` is false (Redis reported nil).

    `gone` is how many entries were trimmed before the group got them, as far as Redis shows it.
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

    `deleted` is the highest id that was ever deleted (not: trimmed), `0-0` if none was, or if Redis (before 7) does not report it.
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
        """The key with the stream's name is missing or not a stream."""
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
        """The groups that are needed and were not observed."""
        return _lacking(self.needed, ((g.group, g.stream) for g in self.found))


class QueueState(Observed):
    """The normal stream: its length, and the backlog of its `readers` (`behind`: group → lag + pending entries).

    `exact` are the groups whose count is not just a lower bound, `missing` the readers whose groups do not exist; `kind` is
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
        """The readers without a known backlog: usually their group does not exist."""
        return tuple(dict.fromkeys((*self.missing, *(r for r in self.readers if r not in self.behind))))


class Progress(Observed):
    """One group on one stream over a window of `seconds`; `settled` is the extra time waited for progress.

    `deleted` is the highest id that was deleted from the stream, `oldest` are ids of the oldest pending entries and `oldest_idle_s` how long the first has been pending.
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
        """Whether entries were deleted before delivery to this group."""
        return self.last.gone > 0 or order(self.deleted) > order(self.last.last_delivered)

    @property
    def untold(self) -> bool:
        """Whether a time that it is judged by is NaN."""
        return math.isnan(self.oldest_idle_s) or math.isnan(self.seconds)

    @property
    def pending_grows(self) -> bool:
        """Whether pending entries pile up: more than before, and the oldest one was delivered before this window."""
        return self.last.pending > self.first.pending and self.oldest_idle_s >= self.seconds


class Consumption(Observed):
    """Progress of the services' groups, one for each (group, stream) of `wanted`.

    `missing` are those that could not be observed, each with what is there instead.
    """

    wanted: tuple[tuple[str, str], ...]
    progress: tuple[Progress, ...]
    missing: tuple[str, ...]

    @property
    def untold(self) -> tuple[str, ...]:
        """The groups that were not observed, each with its stream."""
        return _lacking(self.wanted, ((p.group, p.stream) for p in self.progress))


class Entry(Observed):
    """A stream entry, decoded."""

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

"""Client of the Oona bus on Redis Streams. It sends only commands that change nothing."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, NoPermissionError, ResponseError

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from systems.esper.bus.entries import decode_entry
from systems.esper.bus.models import Durability, Entry, GroupState, RedisStatus, StreamState, order
from systems.esper.bus.resp_parser import BoundedParser
from systems.esper.training.telemetry import Telemetry, evidence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from systems.esper.bus.target import RedisTarget, Role
    from systems.esper.section import EsperSection

__all__ = ["BusClient", "connect_redis", "open_bus"]

_ANSWER = seconds(3)  # for one command; an observation's deadline bounds all of its commands
_LAG_CAP = 2_000  # beyond it the finding says "at least"
_COUNT_PAGE = 100  # whole entries come back, and a policy update weighs 164 kB
_PAGE = 1000
_MOMENT = seconds(0.5)  # requests within this time share one reading of the telemetry stream
_MOST_BYTES = 4 * 1024 * 1024  # of entries in one reading; 500 real ones weigh a quarter of a megabyte
_POLICIES = 5
_TYPE = re.compile(r"[A-Za-z][\w\-]{0,19}")  # none, stream, and whatever modules add
P = ParamSpec("P")
R = TypeVar("R")


class NoStream(Unobservable):
    """The key with a stream's name has another type."""


def _expects_known_shape(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn errors from a reply of unknown shape into Unobservable, so that they do not look like a bug of ours."""

    @functools.wraps(method)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            message = f"reply of Redis has an unknown shape: {type(error).__name__}: {error}"
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, bounded_text(message)) from None

    return wrapper


def connect_redis(target: RedisTarget) -> redis.asyncio.Redis:
    """A connection pool to the target's Redis: no retries and no timeouts of its own, the deadline rules."""
    options: dict[str, Any] = {"username": target.username} if target.username else {}
    if target.password_env is not None:
        options["password"] = target.password_env.get_secret_value()
    if target.ca_file is not None:
        options["ssl_ca_certs"] = target.ca_file
    return redis.asyncio.Redis.from_url(
        target.url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=None,
        protocol=2,
        decode_responses=False,
        parser_class=BoundedParser,
        **options,
    )


@asynccontextmanager
async def open_bus(section: EsperSection) -> AsyncIterator[BusClient]:
    """The bus client of a section; connections are made when they are first needed."""
    if section.redis is None:
        yield BusClient(None, section)
        return
    async with connect_redis(section.redis) as connection:
        yield BusClient(connection, section)


class BusClient:
    """Reads the bus without joining or disturbing any consumer group."""

    def __init__(self, connection: redis.asyncio.Redis | None, section: EsperSection) -> None:
        self._connection: Any = connection
        self._section = section
        self._reading = asyncio.Lock()
        self._read: tuple[float, Telemetry] | None = None

    async def _ask(self, *command: str | int, **parsing: Any) -> Any:
        record_source(" ".join(map(str, command)))
        if self._connection is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no redis")
        try:
            async with asyncio.timeout(_ANSWER.total_seconds()) as limit:
                return await self._connection.execute_command(*command, **parsing)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Unobservable(
                ErrorKind.SILENT, f"{command[0]} was not answered within {_ANSWER.total_seconds():g} s"
            ) from None
        except NoPermissionError as error:
            message = f"{command[0]} is not permitted ({error}); the suite's Redis user needs +@read +ping +info +type"
            raise Unobservable(ErrorKind.DENIED, message) from None
        except MasterDownError as error:
            raise Unobservable(ErrorKind.SERVER_ERROR, bounded_text(f"{command[0]}: {error}")) from None
        except RedisConnectionError as error:
            if not str(error).startswith("max number of clients"):
                raise
            raise Unobservable(ErrorKind.SERVER_ERROR, f"{command[0]}: {error}") from None
        except ResponseError as error:
            kind = ErrorKind.DENIED if str(error).startswith("DENIED") else ErrorKind.UNEXPECTED_REPLY
            raise Unobservable(kind, bounded_text(f"{command[0]}: {error}")) from None

    @_expects_known_shape
    async def server(self) -> RedisStatus:
        """INFO and PING: which server, and whether it would accept writes (judged without writing)."""
        try:
            pong = await self._ask("PING")
        except Unobservable as refused:
            if not refused.seen.startswith("PING: MISCONF"):
                raise
            pong = True  # with MISCONF Redis refuses PING too; INFO says why
        if pong not in (True, b"PONG", "PONG"):
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, "reply to PING is not PONG")
        info = await self._ask("INFO")
        if not isinstance(info, dict) or "run_id" not in info:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"INFO has no run_id: {str(info)[:200]}")
        valkey = "valkey_version" in info
        return RedisStatus(
            engine="valkey" if valkey else "redis",
            version=str(info.get("valkey_version" if valkey else "redis_version", "?")),
            run_id=str(info["run_id"]),
            role=str(info["role"]),
            uptime_s=int(info.get("uptime_in_seconds", 0)),
            has_streams=_version(info) >= (5,),
            refuses=_refuses_writes(info),
        )

    @_expects_known_shape
    async def clock_skew(self) -> float:
        """Redis's clock minus ours, in seconds."""
        reply = await self._ask("TIME")
        return int(reply[0]) + int(reply[1]) / 1e6 - time.time()

    @_expects_known_shape
    async def durability(self) -> Durability:
        """Persistence and memory policy, from INFO and, for the snapshot rules, CONFIG GET.

        Raises:
            Unobservable: CONFIG GET is not permitted, and INFO alone does not show the save rules (denied).
        """
        info = await self._ask("INFO")
        append_only = bool(int(info["aof_enabled"]))
        save = ""
        if not append_only:
            save = _text(_fields(await self._ask("CONFIG", "GET", "save"))["save"])
        return Durability(
            append_only=append_only,
            save=save,
            maxmemory=int(info["maxmemory"]),
            used_memory=int(info["used_memory"]),
            policy=str(info["maxmemory_policy"]),
        )

    @_expects_known_shape
    async def stream(self, role: Role) -> StreamState:
        """One stream with its groups; a missing key and a key of another type are results, not errors."""
        name = self._section.streams.names()[role]
        key_type = await self._ask("TYPE", name)
        kind = _text(key_type)
        if not isinstance(key_type, bytes) or not _TYPE.fullmatch(kind):
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, f"unexpected reply to TYPE {name}: {bounded_text(kind, 80)}"
            )
        if kind != "stream":
            return StreamState.none(role, name, kind)
        # XINFO GROUPS before and after XINFO STREAM: entries that come or go in between never look lost.
        before = {_text(g["name"]): g for g in [_fields(g) for g in await self._ask("XINFO", "GROUPS", name)]}
        info = _fields(await self._ask("XINFO", "STREAM", name))
        groups = [_fields(g) for g in await self._ask("XINFO", "GROUPS", name)]
        length = int(info["length"])
        return StreamState(
            role=role,
            name=name,
            kind=kind,
            length=length,
            last_id=_text(info["last-generated-id"]),
            added=int(info.get("entries-added", length)),
            deleted=_text(info.get("max-deleted-entry-id", "0-0")),
            groups=tuple(
                [await self._group(name, g, _gone(before.get(_text(g["name"])), info, g)) for g in groups]
            ),
        )

    async def _group(self, stream: str, group: dict[str, Any], gone: int) -> GroupState:
        delivered, lag = _text(group["last-delivered-id"]), group.get("lag")
        exact = lag is not None
        if (
            lag is None
        ):  # Redis reports lag nil after deletions or XGROUP CREATE in mid-stream: count up to a cap
            lag, exact = await self.count_after(stream, delivered)
        return GroupState(
            name=_text(group["name"]),
            consumers=int(group["consumers"]),
            pending=int(group["pending"]),
            last_delivered=delivered,
            lag=int(lag),
            lag_exact=exact,
            gone=gone,
        )

    async def count_after(self, stream: str, entry: str, cap: int = _LAG_CAP) -> tuple[int, bool]:
        """How many entries lie beyond `entry`, counted in pages up to `cap`; False where there are at least that many."""
        total, start = 0, f"({entry}"
        while total < cap:
            page = await self._ask("XRANGE", stream, start, "+", "COUNT", _COUNT_PAGE)
            total += len(page)
            if len(page) < _COUNT_PAGE:
                return total, True
            start = f"({_text(_entry_id(page[-1]))}"
        return total, False

    @_expects_known_shape
    async def oldest_pending(self, stream: str, group: str, most: int = 10) -> list[tuple[str, float]]:
        """Ids of the oldest pending entries with the seconds since each was delivered."""
        return await self._pending(stream, group, "-", "+", most)

    async def _pending(
        self, stream: str, group: str, low: str, high: str, most: int
    ) -> list[tuple[str, float]]:
        rows = await self._ask("XPENDING", stream, group, low, high, most, parse_detail=True)
        return [(_text(row["message_id"]), float(row["time_since_delivered"]) / 1000) for row in rows]

    @_expects_known_shape
    async def acknowledged_between(
        self, role: Role, group: str, after: str, until: str, most: int
    ) -> tuple[Entry, ...]:
        """The oldest entries beyond `after` up to `until` that the group has had and acknowledged, decoded; `most` at most."""
        name, start, rows = self._section.streams.names()[role], f"({after}", list[Any]()
        while len(rows) < most:
            page = await self._ask("XRANGE", name, start, until, "COUNT", _COUNT_PAGE)
            rows += page
            if len(page) < _COUNT_PAGE:
                break
            start = f"({_text(_entry_id(page[-1]))}"
        pending = [entry for entry, _ in await self._pending(name, group, f"({after}", until, _PAGE)]
        entries = [self._entry(entry, fields) for entry, fields in rows[:most]]
        if len(pending) == _PAGE:  # beyond this page it is not known what is pending
            entries = [e for e in entries if order(e.id) <= order(pending[-1])]
        return tuple(e for e in entries if e.id not in set(pending))

    @_expects_known_shape
    async def consumers(self, stream: str, group: str) -> list[tuple[str, float]]:
        """The group's consumers with the seconds since each asked for entries."""
        rows = [_fields(row) for row in await self._ask("XINFO", "CONSUMERS", stream, group)]
        return [(_text(row["name"]), float(row["idle"]) / 1000) for row in rows]

    async def is_pending(self, stream: str, group: str, entry: str) -> bool:
        """Whether `entry` was delivered to the group and not acknowledged."""
        return bool(await self._pending(stream, group, entry, entry, 1))

    @_expects_known_shape
    async def newest(self, role: Role, count: int) -> tuple[Entry, ...]:
        """The newest entries of a stream, decoded, newest first; none where the stream does not exist."""
        rows = await self._rows(self._section.streams.names()[role], "+", count)
        return tuple(self._entry(entry, fields) for entry, fields in rows)

    async def newest_of_each(self, count: int) -> tuple[dict[str, tuple[Entry, ...]], tuple[str, ...]]:
        """The newest entries of each stream by name, and why others have none: the key is not a stream."""
        entries, missing = dict[str, tuple[Entry, ...]](), list[str]()
        for role, name in self._section.streams.names().items():
            try:
                # A policy update weighs 164 kB: a few of them say as much as fifty.
                entries[name] = await self.newest(role, min(count, _POLICIES) if role == "policy" else count)
            except NoStream as other:
                missing.append(other.seen)
        return entries, tuple(missing)

    async def telemetry(self, *, fresh: bool = False) -> Telemetry:
        """The newest telemetry packets. Requests at about the same time share one reading, unless `fresh`."""
        record_source(f"XREVRANGE {self._section.streams.telemetry} + - COUNT {_COUNT_PAGE}")
        not_before = time.monotonic() - (0.0 if fresh else _MOMENT.total_seconds())
        async with self._reading:
            if self._read is None or self._read[0] < not_before:
                began = time.monotonic()
                self._read = (began, await self._read_telemetry())
            return self._read[1]

    @_expects_known_shape
    async def _read_telemetry(self) -> Telemetry:
        # Page by page, up to a count and a number of bytes: on a shared stream a policy update weighs 164 kB.
        name, most = self._section.streams.telemetry, int(self._section.limits.telemetry.value)
        now, size, end = await self.clock_ms(), 0, "+"
        entries: list[Entry] = []
        while len(entries) < most and size < _MOST_BYTES:
            wanted = min(_COUNT_PAGE, most - len(entries))
            rows = await self._rows(name, end, wanted)
            size += sum(len(value) for _, fields in rows for value in dict(fields or {}).values())
            entries += [self._entry(entry, fields) for entry, fields in rows]
            if len(rows) < wanted:
                break
            end = f"({entries[-1].id}"
        return Telemetry(now_ms=now, stream=name, read=len(entries), packets=evidence(entries))

    async def clock_ms(self) -> int:
        """Redis's clock in milliseconds, from INFO if it has it (TIME needs a permission that reading does not)."""
        info = await self._ask("INFO", "server")
        if "server_time_usec" in info:
            return int(info["server_time_usec"]) // 1000
        reply = await self._ask("TIME")
        return int(reply[0]) * 1000 + int(reply[1]) // 1000

    async def _rows(self, name: str, end: str, count: int) -> list[Any]:
        try:
            return list(await self._ask("XREVRANGE", name, end, "-", "COUNT", count))
        except Unobservable as refused:
            if not refused.seen.startswith("XREVRANGE: WRONGTYPE"):
                raise
            raise NoStream(ErrorKind.PRECONDITION, f"{name}: {refused.seen}; see E-OON-1") from None

    def _entry(self, entry: Any, fields: Any) -> Entry:
        return Entry(id=_text(entry), decoded=decode_entry(dict(fields or {}), secret=self._section.secret))

    async def packet_ids(self, role: Role) -> set[str]:
        """Every packet id on a stream, read page by page. Only for drills: it reads the whole stream."""
        name, start, ids = self._section.streams.names()[role], "-", set[str]()
        while rows := await self._ask("XRANGE", name, start, "+", "COUNT", _PAGE):
            ids |= {decode_entry(dict(fields or {}), secret=None).packet_id for _, fields in rows}
            start = f"({_text(rows[-1][0])}"
        return ids


def _gone(before: dict[str, Any] | None, info: dict[str, Any], after: dict[str, Any]) -> int:
    """Entries that were trimmed by length before the group got them.

    Redis 7 still counts them in the group's lag, which is then larger than XLEN. Redis 8 does not, and entries-added is
    then larger than entries-read plus lag.
    """
    lost = [0]
    if before is not None and before.get("lag") is not None:
        lost.append(int(before["lag"]) - int(info["length"]))
    if None not in (after.get("lag"), after.get("entries-read")) and "entries-added" in info:
        lost.append(int(info["entries-added"]) - int(after["entries-read"]) - int(after["lag"]))
    return max(lost)


def _version(info: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(info.get("redis_version", "0")).split(".") if part.isdigit())


def _refuses_writes(info: dict[str, Any]) -> str:
    """Why Redis would refuse an XADD, by the conditions that INFO shows; empty if it would not."""
    limit, used = int(info["maxmemory"]), int(info["used_memory"])
    if int(info["loading"]):
        return "it is still loading its data set (loading:1)"
    if info["role"] == "slave":
        return f"it is a replica of {info.get('master_host')}:{info.get('master_port')} (master_link_status {info.get('master_link_status')})"
    if limit and used >= limit and info["maxmemory_policy"] == "noeviction":
        return (
            f"it is out of memory: used_memory {used} of maxmemory {limit} bytes, maxmemory-policy noeviction"
        )
    if info.get("rdb_last_bgsave_status") == "err":
        return "rdb_last_bgsave_status is err (MISCONF with stop-writes-on-bgsave-error)"
    if info.get("aof_enabled") and info.get("aof_last_write_status") == "err":
        return "aof_last_write_status is err (MISCONF)"
    return ""


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _fields(reply: Any) -> dict[str, Any]:
    """A reply's field map; redis-py returns some as a dict and some as a flat list."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(key): value for key, value in pairs}


def _entry_id(row: Any) -> Any:
    return row[0]

"""Criteria of the Redis under the Oona bus: identity, writes, persistence, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from opsverify.model.observation import Bracketed
    from opsverify.model.verdict import Finding
    from systems.esper.bus.models import Durability, RedisStatus
    from systems.esper.limits import EsperLimits

__all__ = ["accepts_writes", "durable", "memory_is_safe", "same_server"]

_REPLICA = (
    "a replica is read-only: programs that publish to this address fail. Where only this suite uses it, name the primary "
    "in [esper.redis], or waive E-INF-1 (refuses-writes) for this target"
)


def same_server(servers: Bracketed[RedisStatus]) -> Finding:
    """The server that answered first is the one that answered last."""
    judged = first_of(fail("server-replaced", servers.first.run_id != servers.last.run_id), ok="same-server")
    return judged.finding(
        expected="the same Redis server (run_id) from start to end of the run",
        observed=f"{servers.first.identity}, up {servers.first.uptime_s} s"
        if judged.holds
        else f"{servers.first.identity}, then {servers.last.identity}",
    )


def accepts_writes(server: RedisStatus) -> Finding:
    """Redis knows streams, and nothing in its INFO says that it would refuse an XADD."""
    why = server.refuses or (
        "" if server.has_streams else f"Redis {server.version} has no streams (they came with 5.0)"
    )
    return first_of(fail("refuses-writes", why), ok="accepts-writes").finding(
        expected="Redis would accept an XADD (judged by INFO, without writing)",
        observed=f"XADD would be refused: {why}"
        if why
        else f"role {server.role}, no reason in INFO to refuse a write",
        details=(_REPLICA,) if server.role == "slave" else (),
    )


def durable(bus: Durability) -> Finding:
    """A restart does not empty the bus: an append-only file or snapshots are on."""
    how = "appendonly yes" if bus.append_only else f"snapshots, save {bus.save}" if bus.save else ""
    return first_of(fail("not-persistent", not how), ok="durable").finding(
        expected="streams and groups survive a restart of Redis",
        observed=how or "appendonly no and no save rules: a restart loses every stream and group",
        details=()
        if how
        else ("after a restart start Nissa first (it creates its groups), then the producers; see E-OON-1",),
    )


def memory_is_safe(bus: Durability, limits: EsperLimits) -> Finding:
    """maxmemory-policy evicts no stream, and used_memory is below its limit."""
    share = bus.used_memory / bus.maxmemory if bus.maxmemory else 0.0
    size = (
        f"used_memory {bus.used_memory} of maxmemory {bus.maxmemory} bytes"
        if bus.maxmemory
        else f"used_memory {bus.used_memory} bytes, no maxmemory"
    )
    unlimited = "without maxmemory, untrimmed streams grow until the host's OOM killer ends Redis"
    return first_of(
        fail("evicts-streams", bus.maxmemory and bus.policy.startswith("allkeys")),
        fail("nearly-full", not share < limits.memory_use.value),
        ok="memory-safe",
    ).finding(
        expected=f"no eviction of streams, and used_memory below {limits.memory_use}",
        observed=f"{size}, maxmemory-policy {bus.policy}",
        details=(unlimited,) if not bus.maxmemory else (),
        limits=(limits.memory_use.named("memory_use"),),
    )

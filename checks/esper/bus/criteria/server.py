"""What must hold of the Redis under the bus."""

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
    "a replica tells how the bus stands, not whether anybody can publish: programs that use this address are dead; "
    "where only the suite does, name the primary in [esper.redis], or waive E-INF-1 (refuses-writes) for this target"
)


def same_server(seen: Bracketed[RedisStatus]) -> Finding:
    """The server that answered first is the one that answered last."""
    judged = first_of(fail("server-replaced", seen.first.run_id != seen.last.run_id), ok="same-server")
    return judged.finding(
        expected="one Redis (run_id) from start to end of the run",
        observed=f"{seen.first.identity}, up {seen.first.uptime_s} s"
        if judged.holds
        else f"{seen.first.identity}, then {seen.last.identity}",
    )


def accepts_writes(server: RedisStatus) -> Finding:
    """Redis knows streams, and nothing in its INFO says that it would refuse an XADD."""
    why = server.refuses or ("" if server.has_streams else f"{server.version} has no streams (5.0 has)")
    return first_of(fail("refuses-writes", why), ok="accepts-writes").finding(
        expected="Redis accepts stream entries",
        observed=f"it would refuse: {why}" if why else f"{server.role}, nothing in INFO speaks against it",
        details=(_REPLICA,) if server.role == "slave" else (),
    )


def durable(bus: Durability) -> Finding:
    """A restart does not empty the bus: an append-only file or snapshots are on."""
    how = "an append-only file" if bus.append_only else f"snapshots ({bus.save})" if bus.save else ""
    return first_of(fail("not-persistent", not how), ok="durable").finding(
        expected="streams and groups survive a restart of Redis",
        observed=f"kept by {how}"
        if how
        else "neither append-only file nor snapshots: a restart loses every stream and group",
        details=()
        if how
        else ("after a restart: Nissa first (it creates its groups), then the producers; see E-OON-1",),
    )


def memory_is_safe(bus: Durability, limits: EsperLimits) -> Finding:
    """Full memory neither evicts streams nor is near."""
    share = bus.used_memory / bus.maxmemory if bus.maxmemory else 0.0
    size = (
        f"{bus.used_memory} of {bus.maxmemory} bytes"
        if bus.maxmemory
        else f"{bus.used_memory} bytes used, no limit"
    )
    told = "with no limit the host's memory is the limit: untrimmed streams grow until the kernel ends Redis"
    return first_of(
        fail("evicts-streams", bus.maxmemory and bus.policy.startswith("allkeys")),
        fail("nearly-full", not share < limits.memory_use.value),
        ok="memory-safe",
    ).finding(
        expected="no eviction of streams, and memory to spare",
        observed=f"{size}, maxmemory-policy {bus.policy}",
        details=(told,) if not bus.maxmemory else (),
        limits=(limits.memory_use.named("memory_use"),),
    )

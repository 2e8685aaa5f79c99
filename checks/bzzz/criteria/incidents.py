"""What must hold when an incident is over, and of a recovery: pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.incidents import Standing, Validated, Watched
    from opsverify.limits import Limit

__all__ = [
    "alert_quiet",
    "data_whole",
    "dht_works",
    "held_since",
    "memory_back",
    "one_admin_again",
    "peers_back",
    "peers_connected",
    "replication_back",
    "score_back",
    "services_up",
]


def alert_quiet(seen: Standing) -> Finding:
    """The incident's alert is no longer in Alertmanager."""
    return Finding(
        holds=not seen.active,
        reason="still-alerting" if seen.active else "quiet",
        expected=f"no {seen.alert} in Alertmanager",
        observed="; ".join(seen.active) or "none",
    )


def score_back(seen: Standing, limits: BzzzLimits) -> Finding:
    """No agent is critical any more; the cause of one that is, as its components tell it."""
    low = {who: v for who, v in seen.values.items() if v < limits.health_critical.value}
    causes = list(dict.fromkeys(seen.causes.get(who, "no component tells") for who in low))
    reason = f"critical-{causes[0]}" if len(causes) == 1 else "critical" if low else "not-critical"
    told = ", ".join(
        f"{who} {v:g} ({seen.causes.get(who, 'no component tells why')})" for who, v in low.items()
    )
    return _finding(
        seen,
        holds=not low,
        reason=reason,
        expected=f"a health score of at least {limits.health_critical} on each agent",
        observed=told or _values(seen),
        limit=("health_critical", limits.health_critical),
    )


def peers_back(seen: Standing, limits: BzzzLimits) -> Finding:
    """Each agent has enough peers again."""
    few = {who: v for who, v in seen.values.items() if v < limits.peers.value}
    return _finding(
        seen,
        holds=not few,
        reason="too-few-peers" if few else "enough-peers",
        expected=f"at least {limits.peers} on each agent",
        observed=f"{', '.join(few)} below: {_values(seen)}" if few else _values(seen),
        limit=("peers", limits.peers),
    )


def one_admin_again(seen: Standing) -> Finding:
    """Exactly one agent says that it is admin."""
    admins = [who for who, v in seen.values.items() if v > 0]
    return _finding(
        seen,
        holds=len(admins) == 1,
        reason="one-admin" if len(admins) == 1 else "two-admins" if admins else "no-admin",
        expected="one agent whose bzzz_election_state is 1",
        observed=f"{', '.join(admins) or 'none'} of {len(seen.values)} agents",
    )


def replication_back(seen: Standing, limits: BzzzLimits) -> Finding:
    """The content has enough copies on average, as the alert counts them."""
    average = sum(seen.values.values()) / len(seen.values)
    holds = average >= limits.replication.value
    return _finding(
        seen,
        holds=holds,
        reason="replicated" if holds else "replication-degraded",
        expected=f"a replication factor of at least {limits.replication} on average",
        observed=f"{average:.2f}: {_values(seen)}",
        limit=("replication", limits.replication),
    )


def memory_back(seen: Standing, limits: BzzzLimits) -> Finding:
    """No agent is above its limit of memory; the offender is named."""
    high = {who: v for who, v in seen.values.items() if v > limits.agent_memory.value}
    mb = 1048576
    told = ", ".join(f"{who} {v / mb:.0f} MB" for who, v in sorted(seen.values.items(), key=lambda i: -i[1]))
    return _finding(
        seen,
        holds=not high,
        reason="high-memory" if high else "memory-back",
        expected=f"at most {limits.agent_memory.value / mb:.0f} MB on each agent",
        observed=f"{', '.join(high)} above: {told}" if high else told,
        limit=("agent_memory", limits.agent_memory),
    )


def dht_works(seen: Standing) -> Finding:
    """Each agent's own put and get works."""
    failing = [who for who, v in seen.values.items() if not v]
    return _finding(
        seen,
        holds=not failing,
        reason="dht-fails" if failing else "dht-works",
        expected="the put and get of each agent's dht-health works",
        observed="; ".join(f"{who}: {seen.causes.get(who, 'no reason told')}" for who in failing)
        or f"works on {', '.join(seen.values)}",
    )


def services_up(seen: Validated) -> Finding:
    """Every service runs as many tasks as it should, and none is scaled to nothing."""
    lacking = {n: (r, d) for n, (r, d) in seen.services.items() if r != d or not d}
    told = ", ".join(f"{name} {running} of {desired}" for name, (running, desired) in lacking.items())
    return Finding(
        holds=not lacking,
        reason="services-lack-tasks" if lacking else "services-up",
        expected="every service runs the tasks that it should, at least one",
        observed=told or f"all {len(seen.services)} services",
    )


def data_whole(seen: Validated, limits: BzzzLimits) -> Finding:
    """What holds data is healthy on every node, and content has enough copies."""
    few = seen.copies < limits.replication.value
    return Finding(
        holds=not (seen.ill or few),
        reason="data-not-whole" if seen.ill else "too-few-copies" if few else "data-whole",
        expected=f"database, storage and DHT healthy on each node, and {limits.replication} of each content",
        observed="; ".join([*seen.ill, f"{seen.copies:.2f} copies on average"]),
        limits=(limits.replication.named("replication"),),
    )


def peers_connected(seen: Validated, limits: BzzzLimits) -> Finding:
    """The P2P network is connected."""
    few = {who: v for who, v in seen.peers.items() if v < limits.peers.value}
    told = ", ".join(f"{who} {v:g}" for who, v in seen.peers.items())
    return Finding(
        holds=not few,
        reason="too-few-peers" if few else "connected",
        expected=f"at least {limits.peers} on each agent",
        observed=told,
        limits=(limits.peers.named("peers"),),
    )


def held_since(seen: Watched, limits: BzzzLimits) -> Finding:
    """No incident has fired since the recovery."""
    fired = [f"{name} at {at:%Y-%m-%d %H:%M:%SZ}" for name, at in sorted(seen.fired.items())]
    return Finding(
        holds=not fired,
        reason="fired-again" if fired else "held",
        expected=f"no incident for {limits.watched} since {seen.recovered_at:%Y-%m-%d %H:%M:%SZ}",
        observed=", ".join(fired) or f"none since {seen.begin:%Y-%m-%d %H:%M:%SZ}",
        details=tuple(f"Prometheus warns: {w}" for w in seen.warnings),
        limits=(limits.watched.named("watched"),),
    )


def _values(seen: Standing) -> str:
    return ", ".join(f"{who} {v:g}" for who, v in sorted(seen.values.items(), key=lambda i: i[1]))


def _finding(
    seen: Standing,
    *,
    holds: bool,
    reason: str,
    expected: str,
    observed: str,
    limit: tuple[str, Limit] | None = None,
) -> Finding:
    return Finding(
        holds=holds,
        reason=reason,
        expected=expected,
        observed=observed,
        details=() if holds else seen.evidence,
        limits=(limit[1].named(limit[0]),) if limit else (),
    )

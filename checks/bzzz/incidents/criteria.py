"""What must hold when an incident is over, and of a recovery: pure rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.ladder import Judgement
    from opsverify.model.limits import Limit
    from opsverify.model.verdict import Finding
    from systems.bzzz.incidents.models import IncidentState, RecoveryValidation, RecoveryWatch
    from systems.bzzz.limits import BzzzLimits

__all__ = [
    "CAUSES",
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


CAUSES = ("critical-memory", "critical-disk", "critical-network", "critical-database")
"""Reasons by what the runbook knows as a cause of a critical health."""


def alert_quiet(seen: IncidentState) -> Finding:
    """The incident's alert is no longer in Alertmanager."""
    return first_of(fail("still-alerting", seen.active), ok="quiet").finding(
        expected=f"no {seen.alert} in Alertmanager",
        observed="; ".join(seen.active) or "none",
    )


def score_back(seen: IncidentState, limits: BzzzLimits) -> Finding:
    """No agent is critical any more; the cause of one that is, as its components tell it."""
    low = {who: v for who, v in seen.values.items() if not v >= limits.health_critical.value}
    causes = {seen.causes.get(who, "") for who in low}
    (cause,) = causes if len(causes) == 1 else ("",)
    told = ", ".join(
        f"{who} {v:g} ({seen.causes.get(who, 'no component tells why')})" for who, v in low.items()
    )
    return _finding(
        seen,
        first_of(
            *(fail(reason, reason == f"critical-{cause}") for reason in CAUSES),
            fail("critical-unexplained", causes == {""}),
            fail("critical", low),
            unknown("part-missing", _lacking(seen)),
            ok="not-critical",
        ),
        expected=f"a health score of at least {limits.health_critical} on each agent",
        observed=told or _values(seen),
        limit=("health_critical", limits.health_critical),
    )


def peers_back(seen: IncidentState, limits: BzzzLimits) -> Finding:
    """Each agent has enough peers again."""
    few = [who for who, v in seen.values.items() if not v >= limits.peers.value]
    return _finding(
        seen,
        first_of(
            fail("too-few-peers", few),
            unknown("part-missing", _lacking(seen)),
            ok="enough-peers",
        ),
        expected=f"at least {limits.peers} on each agent",
        observed=f"{', '.join(few)} below: {_values(seen)}" if few else _values(seen),
        limit=("peers", limits.peers),
    )


def one_admin_again(seen: IncidentState) -> Finding:
    """Exactly one agent says that it is admin. Of one that says nothing nobody knows whether it is another."""
    admins = [who for who, v in seen.values.items() if v > 0]
    missing = _lacking(seen) or any(map(math.isnan, seen.values.values()))
    return _finding(
        seen,
        first_of(
            fail("two-admins", len(admins) > 1),
            fail("no-admin", not admins and not missing),
            unknown("part-missing", missing),
            ok="one-admin",
        ),
        expected="one agent whose bzzz_election_state is 1",
        observed=f"{', '.join(admins) or 'none'} of {len(seen.values)} agents",
    )


def replication_back(seen: IncidentState, limits: BzzzLimits) -> Finding:
    """The content has enough copies on average, as the alert counts them."""
    average = sum(seen.values.values()) / len(seen.values) if seen.values else math.nan
    return _finding(
        seen,
        first_of(
            fail("replication-degraded", seen.values and not average >= limits.replication.value),
            unknown("part-missing", _lacking(seen)),
            ok="replicated",
        ),
        expected=f"a replication factor of at least {limits.replication} on average",
        observed=f"{average:.2f}: {_values(seen)}",
        limit=("replication", limits.replication),
    )


def memory_back(seen: IncidentState, limits: BzzzLimits) -> Finding:
    """No agent is above its limit of memory; the offender is named."""
    high = [who for who, v in seen.values.items() if not v <= limits.agent_memory.value]
    mb = 1048576
    told = ", ".join(f"{who} {v / mb:.0f} MB" for who, v in sorted(seen.values.items(), key=lambda i: -i[1]))
    return _finding(
        seen,
        first_of(
            fail("high-memory", high),
            unknown("part-missing", _lacking(seen)),
            ok="memory-back",
        ),
        expected=f"at most {limits.agent_memory.value / mb:.0f} MB on each agent",
        observed=f"{', '.join(high)} above: {told}" if high else told,
        limit=("agent_memory", limits.agent_memory),
    )


def dht_works(seen: IncidentState) -> Finding:
    """Each agent's own put and get works."""
    failing = [who for who, v in seen.values.items() if not v > 0]
    return _finding(
        seen,
        first_of(
            fail("dht-fails", failing),
            unknown("part-missing", _lacking(seen)),
            ok="dht-works",
        ),
        expected="the put and get of each agent's dht-health works",
        observed="; ".join(f"{who}: {seen.causes.get(who, 'no reason told')}" for who in failing)
        or f"works on {', '.join(seen.values)}",
    )


def services_up(seen: RecoveryValidation) -> Finding:
    """Every service runs as many tasks as it should, and none is scaled to nothing."""
    lacking = {n: (r, d) for n, (r, d) in seen.services.items() if r != d or not d}
    told = ", ".join(f"{name} {running} of {desired}" for name, (running, desired) in lacking.items())
    return first_of(
        fail("services-lack-tasks", lacking),
        unknown("no-services", not seen.services),
        ok="services-up",
    ).finding(
        expected="every service runs the tasks that it should, at least one",
        observed=told or f"all {len(seen.services)} services",
    )


def data_whole(seen: RecoveryValidation, limits: BzzzLimits) -> Finding:
    """What holds data is healthy on every node, and content has enough copies."""
    return first_of(
        fail("data-not-whole", seen.ill),
        fail("too-few-copies", not seen.copies >= limits.replication.value),
        unknown("not-listed", seen.unlisted),
        unknown("part-missing", seen.missing_copies),
        ok="data-whole",
    ).finding(
        expected=f"database, storage and DHT healthy on each node, and {limits.replication} of each content",
        observed="; ".join([*seen.ill, *_unlisted(seen), f"{seen.copies:.2f} copies on average"]),
        details=seen.missing_copies,
        limits=(limits.replication.named("replication"),),
    )


def _unlisted(seen: RecoveryValidation) -> list[str]:
    return [f"no agent lists {', '.join(seen.unlisted)}"] if seen.unlisted else []


def peers_connected(seen: RecoveryValidation, limits: BzzzLimits) -> Finding:
    """The P2P network is connected."""
    few = [who for who, v in seen.peers.items() if not v >= limits.peers.value]
    return first_of(
        fail("too-few-peers", few),
        unknown("part-missing", seen.missing_peers or len(seen.peers) < max(seen.wanted, 1)),
        ok="connected",
    ).finding(
        expected=f"at least {limits.peers} on each agent",
        observed=", ".join(f"{who} {v:g}" for who, v in seen.peers.items()) or "no agent's",
        details=seen.missing_peers,
        limits=(limits.peers.named("peers"),),
    )


def held_since(seen: RecoveryWatch, limits: BzzzLimits) -> Finding:
    """No incident has fired since the recovery, for as long as it is watched, and measured in all that time."""
    fired = [f"{each.alert} at {each.at:%Y-%m-%d %H:%M:%SZ}" for each in seen.fired]
    until = seen.recovered_at + limits.watched.duration
    least = seen.instants * (1 - limits.watch_gap.value) - 1  # the window's ends may fall between two points
    judged = first_of(
        fail("fired-again", fired),
        unknown("watching", not seen.at >= until or seen.at - seen.begin < limits.watched.duration),
        unknown("not-measured", not seen.measured or not seen.measured >= least),
        ok="held",
    )
    calm = f"no incident since {seen.begin:%Y-%m-%d %H:%M:%SZ}"
    observed = {
        "fired-again": ", ".join(fired),
        "watching": f"{calm}: watching until {until:%Y-%m-%d %H:%M:%SZ}",
        "not-measured": f"{calm}, but the health was measured at {seen.measured} of {seen.instants:.0f} instants",
    }
    return judged.finding(
        expected=f"no incident for {limits.watched} since {seen.recovered_at:%Y-%m-%d %H:%M:%SZ}",
        observed=observed.get(judged.reason, calm),
        details=tuple(f"Prometheus warns: {w}" for w in seen.warnings),
        limits=(limits.watched.named("watched"), limits.watch_gap.named("watch_gap")),
    )


def _lacking(seen: IncidentState) -> bool:
    """Whether there is no value of somebody of whom there should be one."""
    return bool(seen.missing) or len(seen.values) < max(seen.wanted, 1)


def _values(seen: IncidentState) -> str:
    return (
        ", ".join(f"{who} {v:g}" for who, v in sorted(seen.values.items(), key=lambda i: i[1]))
        or "no agent's"
    )


def _finding(
    seen: IncidentState,
    judged: Judgement,
    *,
    expected: str,
    observed: str,
    limit: tuple[str, Limit] | None = None,
) -> Finding:
    return judged.finding(
        expected=expected,
        observed=observed,
        details=() if judged.holds else (*seen.missing, *seen.evidence),
        limits=(limit[1].named(limit[0]),) if limit else (),
    )

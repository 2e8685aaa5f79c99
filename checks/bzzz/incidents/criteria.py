"""Criteria of incidents: whether each is over, and whether a recovery holds."""

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
"""Reason codes of the causes that the runbook names for a critical health."""


def alert_quiet(state: IncidentState) -> Finding:
    """The incident's alert is no longer in Alertmanager."""
    return first_of(fail("still-alerting", state.active), ok="quiet").finding(
        expected=f"no {state.alert} in Alertmanager",
        observed="; ".join(state.active) or "none",
    )


def score_back(state: IncidentState, limits: BzzzLimits) -> Finding:
    """No agent is critical any more; for one that is, the cause as its components report it."""
    low = {who: v for who, v in state.values.items() if not v >= limits.health_critical.value}
    causes = {state.causes.get(who, "") for who in low}
    (cause,) = causes if len(causes) == 1 else ("",)
    text = ", ".join(
        f"{who} {v:g} ({state.causes.get(who, 'no component reports a cause')})" for who, v in low.items()
    )
    return _finding(
        state,
        first_of(
            *(fail(reason, reason == f"critical-{cause}") for reason in CAUSES),
            fail("critical-unexplained", causes == {""}),
            fail("critical", low),
            unknown("part-missing", _incomplete(state)),
            ok="not-critical",
        ),
        expected=f"health score of each agent at least {limits.health_critical.value:g}",
        observed=text or _values(state),
        limit=("health_critical", limits.health_critical),
    )


def peers_back(state: IncidentState, limits: BzzzLimits) -> Finding:
    """Each agent has enough peers again."""
    few = [who for who, v in state.values.items() if not v >= limits.peers.value]
    return _finding(
        state,
        first_of(
            fail("too-few-peers", few),
            unknown("part-missing", _incomplete(state)),
            ok="enough-peers",
        ),
        expected=f"at least {limits.peers} on each agent",
        observed=f"too few peers on {', '.join(few)}; all: {_values(state)}" if few else _values(state),
        limit=("peers", limits.peers),
    )


def one_admin_again(state: IncidentState) -> Finding:
    """Exactly one agent reports that it is admin. One that reports nothing may be a second."""
    admins = [who for who, v in state.values.items() if v > 0]
    missing = _incomplete(state) or any(map(math.isnan, state.values.values()))
    return _finding(
        state,
        first_of(
            fail("two-admins", len(admins) > 1),
            fail("no-admin", not admins and not missing),
            unknown("part-missing", missing),
            ok="one-admin",
        ),
        expected="one agent whose bzzz_election_state is 1",
        observed=f"bzzz_election_state is 1 on {', '.join(admins) or 'none'} of {len(state.values)} agents",
    )


def replication_back(state: IncidentState, limits: BzzzLimits) -> Finding:
    """The average replication factor is high enough, as the alert judges it."""
    average = sum(state.values.values()) / len(state.values) if state.values else math.nan
    return _finding(
        state,
        first_of(
            fail("replication-degraded", state.values and not average >= limits.replication.value),
            unknown("part-missing", _incomplete(state)),
            ok="replicated",
        ),
        expected=f"average replication factor at least {limits.replication.value:g}",
        observed=f"average {average:.2f}: {_values(state)}",
        limit=("replication", limits.replication),
    )


def memory_back(state: IncidentState, limits: BzzzLimits) -> Finding:
    """No agent uses more memory than its limit; the offender is named."""
    high = [who for who, v in state.values.items() if not v <= limits.agent_memory.value]
    mb = 1048576
    text = ", ".join(f"{who} {v / mb:.0f} MB" for who, v in sorted(state.values.items(), key=lambda i: -i[1]))
    return _finding(
        state,
        first_of(
            fail("high-memory", high),
            unknown("part-missing", _incomplete(state)),
            ok="memory-back",
        ),
        expected=f"at most {limits.agent_memory.value / mb:.0f} MB on each agent",
        observed=f"{', '.join(high)} above the limit; all: {text}" if high else text,
        limit=("agent_memory", limits.agent_memory),
    )


def dht_works(state: IncidentState) -> Finding:
    """Each agent's own put and get works."""
    failing = [who for who, v in state.values.items() if not v > 0]
    return _finding(
        state,
        first_of(
            fail("dht-fails", failing),
            unknown("part-missing", _incomplete(state)),
            ok="dht-works",
        ),
        expected="put and get of each agent's dht-health work",
        observed="; ".join(
            f"{who}: {' '.join(state.causes.get(who, 'no message').split())}" for who in failing
        )
        or f"work on {', '.join(state.values)}",
    )


def services_up(validation: RecoveryValidation) -> Finding:
    """Every service runs as many tasks as desired, and none is scaled to 0."""
    lacking = {n: (r, d) for n, (r, d) in validation.services.items() if r != d or not d}
    text = ", ".join(f"{name} {running} of {desired}" for name, (running, desired) in lacking.items())
    return first_of(
        fail("services-lack-tasks", lacking),
        unknown("no-services", not validation.services),
        ok="services-up",
    ).finding(
        expected="every service runs all its desired tasks, at least one",
        observed=text or f"all {len(validation.services)} services",
    )


def data_whole(validation: RecoveryValidation, limits: BzzzLimits) -> Finding:
    """Database, storage and DHT are healthy on every node, and content has enough replicas."""
    return first_of(
        fail("data-not-whole", validation.ill),
        fail("too-few-copies", not validation.copies >= limits.replication.value),
        unknown("not-listed", validation.unlisted),
        unknown("part-missing", validation.missing_copies),
        ok="data-whole",
    ).finding(
        expected=f"database, storage and DHT healthy on each node, average replication factor at least {limits.replication.value:g}",
        observed="; ".join(
            [*validation.ill, *_unlisted(validation), f"average replication factor {validation.copies:.2f}"]
        ),
        details=validation.missing_copies,
        limits=(limits.replication.named("replication"),),
    )


def _unlisted(validation: RecoveryValidation) -> list[str]:
    return [f"no agent lists {', '.join(validation.unlisted)}"] if validation.unlisted else []


def peers_connected(validation: RecoveryValidation, limits: BzzzLimits) -> Finding:
    """The P2P network is connected."""
    few = [who for who, v in validation.peers.items() if not v >= limits.peers.value]
    shown = ", ".join(f"{who} {v:g}" for who, v in validation.peers.items())
    return first_of(
        fail("too-few-peers", few),
        unknown(
            "part-missing", validation.missing_peers or len(validation.peers) < max(validation.wanted, 1)
        ),
        ok="connected",
    ).finding(
        expected=f"at least {limits.peers} on each agent",
        observed=f"too few peers on {', '.join(few)}; all: {shown}"
        if few
        else f"peers: {shown or 'no series'}",
        details=validation.missing_peers,
        limits=(limits.peers.named("peers"),),
    )


def held_since(watch: RecoveryWatch, limits: BzzzLimits) -> Finding:
    """No incident's alert has fired since the recovery, for the whole watch time, and health was measured throughout."""
    fired = [f"{each.alert} at {each.at:%Y-%m-%d %H:%M:%SZ}" for each in watch.fired]
    until = watch.recovered_at + limits.watched.duration
    least = watch.instants * (1 - limits.watch_gap.value) - 1  # the window's ends may fall between two points
    judged = first_of(
        fail("fired-again", fired),
        unknown("watching", not watch.at >= until or watch.at - watch.begin < limits.watched.duration),
        unknown("not-measured", not watch.measured or not watch.measured >= least),
        ok="held",
    )
    calm = f"no incident since {watch.begin:%Y-%m-%d %H:%M:%SZ}"
    observed = {
        "fired-again": ", ".join(fired),
        "watching": f"{calm}; must hold until {until:%Y-%m-%d %H:%M:%SZ}",
        "not-measured": f"{calm}, but bzzz_system_health_score has samples at only {watch.measured} of {watch.instants:.0f} points in time",
    }
    return judged.finding(
        expected=f"no incident for {limits.watched} since {watch.recovered_at:%Y-%m-%d %H:%M:%SZ}",
        observed=observed.get(judged.reason, calm),
        details=tuple(f"Prometheus warns: {w}" for w in watch.warnings),
        limits=(limits.watched.named("watched"), limits.watch_gap.named("watch_gap")),
    )


def _incomplete(state: IncidentState) -> bool:
    """Whether an agent that should have a value has none."""
    return bool(state.missing) or len(state.values) < max(state.wanted, 1)


def _values(state: IncidentState) -> str:
    return (
        ", ".join(f"{who} {v:g}" for who, v in sorted(state.values.items(), key=lambda i: i[1]))
        or "no series"
    )


def _finding(
    state: IncidentState,
    judged: Judgement,
    *,
    expected: str,
    observed: str,
    limit: tuple[str, Limit] | None = None,
) -> Finding:
    return judged.finding(
        expected=expected,
        observed=observed,
        details=() if judged.holds else (*state.missing, *state.evidence),
        limits=(limit[1].named(limit[0]),) if limit else (),
    )

"""Whether an incident is over, and a recovery holds: the rules at their boundaries, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.incidents import criteria
from systems.bzzz.incidents import observations as incidents
from systems.bzzz.incidents.models import IncidentState, RecoveryValidation, RecoveryWatch
from systems.bzzz.limits import BzzzLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.model.verdict import Finding

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
MEMORY = LIMITS.agent_memory.value


def standing(*values: float, **changes: Any) -> IncidentState:
    """An incident whose alert looks at these values."""
    whole = {"alert": "A", "values": dict(zip("abcd", values, strict=False)), "evidence": ("looked",)}
    return IncidentState.model_validate(
        whole | {"wanted": len(values), "missing": (), "active": ()} | changes
    )


CRITICAL = LIMITS.health_critical.value
RULES: list[tuple[Callable[[IncidentState], Finding], tuple[float, ...], str]] = [
    (lambda s: criteria.score_back(s, LIMITS), (CRITICAL, 1.0), "not-critical"),
    (lambda s: criteria.score_back(s, LIMITS), (CRITICAL - 0.001, 1.0), "critical-unexplained"),
    (lambda s: criteria.peers_back(s, LIMITS), (3, 5, 5), "enough-peers"),
    (lambda s: criteria.peers_back(s, LIMITS), (2, 5, 5), "too-few-peers"),
    (criteria.one_admin_again, (0, 1, 0), "one-admin"),
    (criteria.one_admin_again, (0, 0, 0), "no-admin"),
    (criteria.one_admin_again, (1, 1, 0), "two-admins"),
    (criteria.one_admin_again, (0.5, 0, 0), "one-admin"),
    (lambda s: criteria.replication_back(s, LIMITS), (1, 2, 3), "replicated"),
    (lambda s: criteria.replication_back(s, LIMITS), (1, 2, 3.01), "replicated"),
    (lambda s: criteria.replication_back(s, LIMITS), (1, 2, 2.99), "replication-degraded"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY, 1), "memory-back"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY - 1, 1), "memory-back"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY + 1, 1), "high-memory"),
    (criteria.dht_works, (1, 1), "dht-works"),
    (criteria.dht_works, (1, 0), "dht-fails"),
]
UNKNOWN_PART: list[tuple[Callable[[IncidentState], Finding], tuple[float, ...], str]] = [
    (lambda s: criteria.score_back(s, LIMITS), (CRITICAL,), "part-missing"),
    (lambda s: criteria.score_back(s, LIMITS), (0.1,), "critical-unexplained"),
    (lambda s: criteria.peers_back(s, LIMITS), (3,), "part-missing"),
    (lambda s: criteria.peers_back(s, LIMITS), (2,), "too-few-peers"),
    (criteria.one_admin_again, (1, 0), "part-missing"),
    (criteria.one_admin_again, (0, 0), "part-missing"),
    (criteria.one_admin_again, (1, 1), "two-admins"),
    (lambda s: criteria.replication_back(s, LIMITS), (2,), "part-missing"),
    (lambda s: criteria.replication_back(s, LIMITS), (1,), "replication-degraded"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY,), "part-missing"),
    (lambda s: criteria.memory_back(s, LIMITS), (MEMORY + 1,), "high-memory"),
    (criteria.dht_works, (1,), "part-missing"),
    (criteria.dht_works, (0,), "dht-fails"),
]


@pytest.mark.parametrize(("rule", "values", "reason"), UNKNOWN_PART)
def test_an_incident_is_over_for_all_or_not_known(
    rule: Callable[[IncidentState], Finding], values: tuple[float, ...], reason: str
) -> None:
    """Those of whom something is known do not speak for another, unless they are bad enough; of nobody nothing is known."""
    found = rule(standing(*values, missing=("c: down",)))
    assert (found.holds, found.reason) == (None if reason == "part-missing" else False, reason)
    assert found.details == ("c: down", "looked")
    assert (rule(standing()).holds, rule(standing()).reason) == (None, "part-missing")
    uncounted = rule(standing(*values, wanted=len(values) + 1))
    assert (uncounted.holds, uncounted.reason) == (found.holds, found.reason)


GOOD = {"not-critical", "enough-peers", "one-admin", "replicated", "memory-back", "dht-works"}


@pytest.mark.parametrize(("rule", "values", "reason"), RULES)
def test_each_incident_is_over_from_its_limit_on(
    rule: Callable[[IncidentState], Finding], values: tuple[float, ...], reason: str
) -> None:
    """What its alert looks at is back at the limit itself; just beyond it the evidence is told."""
    found = rule(standing(*values))
    assert (found.holds, found.reason) == (reason in GOOD, reason)


def test_what_fails_shows_the_evidence_and_who() -> None:
    """The evidence and the one at fault are told where something is wrong, and only there."""
    few = criteria.peers_back(standing(5, 2), LIMITS)
    assert (few.details, few.observed) == (("looked",), "too few peers on b; all: b 2, a 5")
    assert criteria.peers_back(standing(5, 3), LIMITS).details == ()


@pytest.mark.parametrize(
    ("causes", "reason"),
    [
        ({"a": "memory", "b": "memory"}, "critical-memory"),
        ({"a": "disk", "b": "disk"}, "critical-disk"),
        ({"a": "network", "b": "network"}, "critical-network"),
        ({"a": "database", "b": "database"}, "critical-database"),
        ({"a": "election", "b": "election"}, "critical"),
        ({"a": "memory", "b": "disk"}, "critical"),
        ({"a": "memory"}, "critical"),
        ({"c": "disk"}, "critical-unexplained"),
        ({}, "critical-unexplained"),
    ],
)
def test_one_cause_is_the_reason_several_are_not(causes: dict[str, str], reason: str) -> None:
    """Where all that are critical have one cause that the runbook knows that is the reason; that of one that is well does
    not count.
    """
    assert {f"critical-{cause}" for cause in incidents.CAUSES.values()} == {*criteria.CAUSES}
    assert criteria.score_back(standing(0.1, 0.2, 1.0, causes=causes), LIMITS).reason == reason


def test_an_alert_that_is_muted_is_not_quiet() -> None:
    """Whatever Alertmanager still holds of the alert keeps the incident open."""
    assert criteria.alert_quiet(standing(1.0)).holds
    found = criteria.alert_quiet(standing(1.0, active=("suppressed: A",)))
    assert (found.holds, found.reason) == (False, "still-alerting")


def validated(**changes: Any) -> RecoveryValidation:
    """A recovery that brought everything back."""
    whole = {"services": {"x": (3, 3)}, "ill": (), "peers": {"a": 3.0}, "copies": 2.0}
    nothing = dict.fromkeys(("unlisted", "missing_peers", "missing_copies"), ())
    return RecoveryValidation.model_validate(whole | nothing | {"wanted": 1} | changes)


@pytest.mark.parametrize(
    ("tasks", "holds"), [((3, 3), True), ((2, 3), False), ((4, 3), False), ((0, 0), False), ((0, 3), False)]
)
def test_a_service_that_is_scaled_to_nothing_is_not_up(tasks: tuple[int, int], holds: bool) -> None:  # noqa: FBT001
    """As many tasks as wanted, and at least one."""
    found = criteria.services_up(validated(services={"x": tasks, "y": (1, 1)}))
    assert (found.holds, found.reason) == (holds, "services-up" if holds else "services-lack-tasks")
    none = criteria.services_up(validated(services={}))
    assert (none.holds, none.reason) == (None, "no-services")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "data-whole"),
        ({"copies": 2.01}, "data-whole"),
        ({"copies": 1.99}, "too-few-copies"),
        ({"ill": ("a: dht-health unhealthy",)}, "data-not-whole"),
        ({"ill": ("a: dht-health unhealthy",), "copies": 0.0}, "data-not-whole"),
        ({"copies": float("nan")}, "too-few-copies"),
        ({"missing_copies": ("c: down",)}, "part-missing"),
        ({"missing_copies": ("c: down",), "copies": 1.99}, "too-few-copies"),
        ({"unlisted": ("dht-health",)}, "not-listed"),
        ({"unlisted": ("dht-health",), "ill": ("a does not answer",)}, "data-not-whole"),
    ],
)
def test_data_is_whole_by_health_and_copies(change: dict[str, Any], reason: str) -> None:
    """What is ill goes before too few copies, and both before what nobody knows."""
    found = criteria.data_whole(validated(**change), LIMITS)
    known = {"data-whole": True, "part-missing": None, "not-listed": None}
    assert (found.holds, found.reason) == (known.get(reason, False), reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "connected"),
        ({"peers": {"a": 4}}, "connected"),
        ({"peers": {"a": 3, "b": 2}}, "too-few-peers"),
        ({"missing_peers": ("c: down",)}, "part-missing"),
        ({"wanted": 9}, "part-missing"),
        ({"peers": {"a": 2}, "wanted": 9}, "too-few-peers"),
        ({"peers": {"a": 2}, "missing_peers": ("c: down",)}, "too-few-peers"),
        ({"peers": {}}, "part-missing"),
    ],
)
def test_peers_are_connected_each_of_them(change: dict[str, Any], reason: str) -> None:
    """Three are enough; one agent with too few fails, one of whom nobody knows leaves it open."""
    found = criteria.peers_connected(validated(**change), LIMITS)
    assert (found.holds, found.reason) == ({"connected": True, "too-few-peers": False}.get(reason), reason)


DAY = LIMITS.watched.duration


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "held"),
        ({"recovered_at": NOW - 2 * DAY}, "held"),
        ({"recovered_at": NOW - DAY + timedelta(seconds=1)}, "watching"),
        ({"recovered_at": NOW + DAY}, "watching"),
        ({"begin": NOW - DAY + timedelta(seconds=1)}, "watching"),
        ({"measured": 474}, "held"),
        ({"measured": 473}, "not-measured"),
        ({"measured": 0}, "not-measured"),
        ({"measured": 0, "instants": 1}, "not-measured"),
        ({"measured": 1, "instants": 1}, "held"),
        ({"measured": 0, "recovered_at": NOW, "fired": ({"alert": "A", "at": NOW},)}, "fired-again"),
    ],
)
def test_a_recovery_holds_until_an_incident_fires(more: dict[str, Any], reason: str) -> None:
    """For its whole time, of which a twentieth and one instant may be missing; what fired is never waited out."""
    seen = {"recovered_at": NOW - DAY, "begin": NOW - DAY, "at": NOW, "measured": 501, "instants": 500}
    found = criteria.held_since(RecoveryWatch.model_validate({**seen, "fired": (), **more}), LIMITS)
    assert (found.holds, found.reason) == ({"held": True, "fired-again": False}.get(reason), reason)
    if reason == "fired-again":
        assert found.observed == "A at 2026-01-31 03:00:00Z"


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
def test_no_values_break_the_rules(values: list[float]) -> None:
    """Whatever figures Prometheus has, each rule judges."""
    seen = standing(*values)
    for rule, _, _ in RULES:
        assert rule(seen).holds is not None

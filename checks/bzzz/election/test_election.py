"""The election: one admin, known to all, steady, and not irreplaceable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.election import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.election.models import Election, ElectionWindow, Roles
    from systems.bzzz.limits import BzzzLimits

FAILURE = '"Election System Failure (Alert: BZZZNoAdminElected)"'


@pytest.mark.check(
    id="B-ELE-1",
    severity="P0",
    profiles="smoke canary incident",
    alert="BZZZNoAdminElected",
    unreachable="fail",
    runbook=FAILURE,
    next_step="no admin: B-ELE-2b for the roles, then trigger-election, then clear the election state; two admins: B-NET-1 names the link that is cut",
)
def test_one_admin_is_elected(election: Observation[Election]) -> None:
    """Every node knows the same admin, in the same term."""
    verify(criteria.one_admin(election.value))


@pytest.mark.check(
    id="B-ELE-2",
    severity="P1",
    profiles="canary incident",
    alert="BZZZNoAdminElected",
    unreachable="fail",
    runbook=FAILURE,
    next_step="flapping: compare heartbeat interval and election timeout with B-NET-1's latency; no heartbeat: read the admin's log",
)
def test_leadership_is_steady(election_window: Observation[ElectionWindow], limits: BzzzLimits) -> None:
    """The admin's heartbeat is fresh on every node, and leadership does not change."""
    verify(
        criteria.leadership_steady(election_window.value),
        criteria.heartbeat_fresh(election_window.value, limits),
    )


@pytest.mark.check(
    id="B-ELE-2b",
    severity="P1",
    profiles="canary incident",
    alert="BZZZNoAdminElected",
    runbook='"No Admin Elected" Error',
    next_step="give another node the role admin in bzzz_v2_config (a new config, then the service's --config-rm and --config-add)",
)
def test_another_node_may_become_admin(roles: Observation[Roles]) -> None:
    """At least two running nodes may become admin, by the configuration."""
    verify(criteria.another_admin(roles.value))

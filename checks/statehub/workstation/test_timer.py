"""The retired local timer, and the sources of all sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from checks.statehub.workstation import criteria as workstation_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.sources.models import Sources
    from systems.statehub.workstation.models import Timer


@pytest.mark.check(
    id="S-TMR-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook='"Local fallback (emergency only)"',
    next_step="is cluster scheduling broken, so that somebody switched it on? If not: systemctl disable --now custodian-sync.timer",
)
def test_the_local_timer_is_off(local_timer: Observation[Timer]) -> None:
    """The local custodian-sync.timer is disabled and inactive."""
    verify(workstation_criteria.timer_off(local_timer.value))


@pytest.mark.check(
    id="S-SRC-1",
    severity="P1",
    profiles="canary incident",
    subsystem="progress",
    runbook='"Observability"',
    next_step="who else sweeps? local-timer: see S-TMR-1; another name: see the named event",
)
def test_only_the_cluster_and_people_sweep(sources: Observation[Sources], limits: StateHubLimits) -> None:
    """All sweeps of the last 24 hours came from activity-core or a person."""
    verify(sweep_criteria.known_sources(sources.value, limits))


@pytest.mark.check(
    id="S-SRC-1b",
    severity="P3",
    profiles="canary incident",
    subsystem="progress",
    runbook='"Observability"',
    next_step="nothing now: these sweeps are older than the last change of the definition, or than the incident's end",
)
def test_nobody_else_swept_before(sources: Observation[Sources], limits: StateHubLimits) -> None:
    """The part of the last 24 hours that S-SRC-1 no longer judges has no other source either."""
    verify(sweep_criteria.no_earlier_strangers(sources.value, limits))

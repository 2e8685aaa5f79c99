"""Progress events of sweeps: freshness, evidence, automation errors, lock, budget, assessment failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.sweeps.criteria import events as events_criteria
from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.activity.models import Runs
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sweeps.models import Sweeps

SECTION = '"Progress Event Check"'
STOPPED = "see S-SCH-1 and S-ACT-1: is the definition enabled, does the worker fire, does the bridge pass the request?"
FAULT = "an automation error is an infrastructure fault (API down, C-00): repair that; assessment failures never cause it"


@pytest.mark.check(
    id="S-PRG-1", severity="P0", profiles="canary incident", runbook=SECTION, next_step=STOPPED
)
def test_sweeps_have_not_stopped(progress_events: Observation[Sweeps], limits: StateHubLimits) -> None:
    """No three scheduled sweeps in a row are missing."""
    verify(events_criteria.fresh(progress_events.value, progress_events.at, limits, worse=True))


@pytest.mark.check(
    id="S-PRG-1b", severity="P1", profiles="canary incident", runbook=SECTION, next_step=STOPPED
)
def test_no_sweep_is_missing(progress_events: Observation[Sweeps], limits: StateHubLimits) -> None:
    """The newest scheduled sweep's event is younger than one interval plus slack."""
    verify(events_criteria.fresh(progress_events.value, progress_events.at, limits, worse=False))


@pytest.mark.check(
    id="S-PRG-2",
    severity="P1",
    profiles="canary incident",
    runbook=SECTION,
    next_step="see the named event; lock_skipped in a row: which sweep holds the lock? Another source: who else sweeps (local timer, S-TMR-1)?",
)
def test_evidence_is_healthy(progress_events: Observation[Sweeps], limits: StateHubLimits) -> None:
    """The newest scheduled sweeps carry the evidence that the runbook calls healthy."""
    verify(events_criteria.healthy_evidence(progress_events.value, limits))


@pytest.mark.check(id="S-PRG-3", severity="P0", profiles="canary incident", runbook=SECTION, next_step=FAULT)
def test_automation_does_not_keep_failing(
    progress_events: Observation[Sweeps], limits: StateHubLimits
) -> None:
    """No three scheduled sweeps in a row ended in an automation error."""
    verify(events_criteria.no_automation_error(progress_events.value, limits, worse=True))


@pytest.mark.check(id="S-PRG-3b", severity="P1", profiles="canary incident", runbook=SECTION, next_step=FAULT)
def test_the_newest_sweep_did_its_work(progress_events: Observation[Sweeps], limits: StateHubLimits) -> None:
    """The newest scheduled sweep did not end in an automation error."""
    verify(events_criteria.no_automation_error(progress_events.value, limits, worse=False))


@pytest.mark.check(
    id="S-PRG-4",
    severity="P3",
    profiles="canary incident",
    advisory=True,
    runbook=SECTION,
    next_step="follow up on the named repositories; this never fails a run",
)
def test_assessment_failures_do_not_rise(
    progress_events: Observation[Sweeps], limits: StateHubLimits
) -> None:
    """Assessment failures do not rise over the window."""
    verify(sweep_criteria.assessment_trend(progress_events.value, limits))


@pytest.mark.check(
    id="S-LCK-1",
    severity="P2",
    profiles="canary",
    runbook=SECTION,
    next_step="which sweep held the lock at the named instants, and does its process still run? A killed sweep must not leave the lock held",
)
def test_the_lock_does_not_stay_held(
    activity_runs: Observation[Runs], progress_events: Observation[Sweeps], limits: StateHubLimits
) -> None:
    """The lock skips no two scheduled sweeps in a row."""
    verify(sweep_criteria.lock_is_free(activity_runs.value, progress_events.value, limits))


@pytest.mark.check(
    id="S-LCK-1b",
    severity="P2",
    profiles="canary",
    runbook=SECTION,
    next_step="the budget of 300 s ends before the named repositories: sweep them by hand, and find out what takes so long",
)
def test_no_repository_starves(progress_events: Observation[Sweeps], limits: StateHubLimits) -> None:
    """No repository is in skipped_budget of four sweeps in a row."""
    verify(sweep_criteria.nobody_starves(progress_events.value, limits))

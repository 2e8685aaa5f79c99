"""The end of an incident of the training side (runbook 5), verified read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.forge import criteria as files
from checks.esper.kasmina import criteria as kasmina
from checks.esper.recovery import criteria as recovery
from checks.esper.simic import criteria as simic
from checks.esper.tamiyo import criteria as tamiyo
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.forge.models import ReportLog
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import NissaSummary
    from systems.esper.training.models import (
        Conservative,
        Isolation,
        PolicyStream,
        PolicyValidation,
        Quarantine,
    )

LOCKED = '5 "Tamiyo Conservative Mode Locked"'
BREACH = '5 "Kasmina Isolation Breach"'
VALIDATION = '5 "Simic Validation Failure"'
QUARANTINE = '4 "Tamiyo"'


@pytest.mark.check(
    id="E-REC-3b",
    severity="P2",
    profiles="incident",
    subsystem="tamiyo",
    runbook=LOCKED,
    next_step="still on: E-TAM-2 says since when and why; paused again: the loss still rises, see E-TAM-3 before you switch it off again",
)
def test_conservative_mode_is_off_and_stays_off(
    conservative_mode: Observation[Conservative], limits: EsperLimits
) -> None:
    """After a lock of conservative mode it is off, and nothing has paused the training since."""
    mode = conservative_mode.value
    verify(tamiyo.not_conservative(mode, limits), recovery.not_paused_again(mode, limits))


@pytest.mark.check(
    id="E-REC-4b",
    severity="P0",
    profiles="incident",
    subsystem="kasmina",
    alert="kasmina_isolation_violation",
    runbook=BREACH,
    next_step="counter rises: a seed still breaks its isolation, cull the named one; counter stands still: acknowledge its value in [esper.isolation]",
)
def test_the_isolation_breach_is_over(
    isolation: Observation[Isolation], nissa_summary: Observation[NissaSummary], limits: EsperLimits
) -> None:
    """After an isolation breach the counter no longer rises, its value is acknowledged, and the alert shows no more than that."""
    verify(
        kasmina.isolation_kept(isolation.value, limits),
        recovery.isolation_alert_explained(nissa_summary.value, isolation.value),
        recovery.isolation_watched(isolation.value, limits),
    )


@pytest.mark.check(
    id="E-REC-5b",
    severity="P1",
    profiles="incident",
    subsystem="simic",
    runbook=VALIDATION,
    next_step="not validated: the reasons say what to adjust before training again; no update: a blocked update is never published; reports: see E-TAM-1",
)
def test_the_validation_failure_is_over(
    policy_validation: Observation[PolicyValidation],
    policy_updates: Observation[PolicyStream],
    report_log: Observation[ReportLog],
    limits: EsperLimits,
) -> None:
    """After a failed validation the newest policy has passed, an update was published, and the reports are whole."""
    verify(
        simic.validation_passed(policy_validation.value, limits),
        simic.policies_arrive(policy_updates.value, limits),
        files.log_is_whole(report_log.value),
    )


@pytest.mark.check(
    id="E-REC-6b",
    severity="P2",
    profiles="incident",
    subsystem="tamiyo",
    runbook=QUARANTINE,
    next_step="compare the blueprint's row in catalog.db with Karn's catalogue; restart the process that holds stale metadata",
)
def test_a_blueprints_risk_is_the_librarys(quarantine: Observation[Quarantine]) -> None:
    """Risk and tier of the blueprint that Tamiyo decides on equal those in the library, and its response is shown."""
    verify(recovery.risk_is_the_librarys(quarantine.value))

"""Tamiyo, the controller: field-report log, conservative mode, and the values that it decides on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.forge import criteria as files
from checks.esper.tamiyo import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.forge.models import ReportLog
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import Conservative, Decisions

TAMIYO = '4 "Tamiyo"'


@pytest.mark.check(
    id="E-TAM-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook=TAMIYO,
    next_step="copy the log before anything appends to it, truncate it at the named offset, and find out what ended the program in mid-write",
)
def test_the_field_report_log_is_whole_and_recent(
    report_log: Observation[ReportLog], limits: EsperLimits
) -> None:
    """The field-report log is readable to its end, whole and recent."""
    log = report_log.value
    verify(files.log_is_whole(log), files.log_is_recent(log, report_log.at, limits))


@pytest.mark.check(
    id="E-TAM-2",
    severity="P2",
    profiles="smoke canary incident",
    runbook=TAMIYO,
    next_step="stale: see E-TOL-1; on: has the reason passed (loss_delta, blueprint risk)? Then service.set_conservative_mode(False) inside the training process, and watch for new pause_triggered events",
)
def test_tamiyo_is_not_in_conservative_mode(
    conservative_mode: Observation[Conservative], limits: EsperLimits
) -> None:
    """Tamiyo is not in conservative mode."""
    verify(criteria.not_conservative(conservative_mode.value, limits))


@pytest.mark.check(
    id="E-TAM-3",
    severity="P2",
    profiles="smoke canary",
    runbook=TAMIYO,
    next_step="loss, or stale: look at the run (E-TOL-1); risk: compare the blueprint's metadata and tier in Urza with Tamiyo's",
)
def test_tamiyo_decides_on_values_within_limits(
    tamiyo_decisions: Observation[Decisions], limits: EsperLimits
) -> None:
    """Validation loss, loss delta, and a blueprint's risk are within their limits."""
    verify(criteria.within_limits(tamiyo_decisions.value, limits))

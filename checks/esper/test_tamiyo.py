"""Tamiyo: its field reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.criteria import files
from opsverify import verify

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.files import ReportLog
    from opsverify import Observation

TAMIYO = '4 "Tamiyo"'


@pytest.mark.check(
    id="E-TAM-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook=TAMIYO,
    next_step="keep a copy of the log before anything appends to it; cut it at the named offset, and look for what ended the program in mid-write",
)
def test_the_field_report_log_is_whole_and_recent(
    report_log: Observation[ReportLog], limits: EsperLimits
) -> None:
    """The field-report log is readable to its end, whole and recent."""
    log = report_log.value
    verify(files.log_is_whole(log), files.log_is_recent(log, report_log.at, limits))

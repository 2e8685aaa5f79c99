"""Tezzeret's forge and Urza's library: pending blueprints, left WALs, artifacts, and the retry alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.esper.forge import criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.esper.forge.models import Forge, Library, RetryAlert

URZA = '4 "Tezzeret / Urza"'
RECOVERY = '5 "Tezzeret Forge Crash Recovery"'


@pytest.mark.check(
    id="E-URZ-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook=URZA,
    next_step='is a forge process alive but hung? Otherwise run the forge again: it resumes with the pending ids (runbook 5, "Tezzeret Forge Crash Recovery")',
)
def test_the_forge_has_nothing_pending(forge: Observation[Forge]) -> None:
    """The forge's write-ahead log is absent, or names no blueprint as pending."""
    verify(criteria.nothing_pending(forge.value))


@pytest.mark.check(
    id="E-URZ-2",
    severity="P2",
    profiles="smoke canary incident",
    runbook=RECOVERY,
    next_step="the named blueprint was being compiled or saved when the forge ended: check its artifact and row, re-run the forge, then delete the WAL that stays",
)
def test_no_compiler_or_library_log_is_left(forge: Observation[Forge]) -> None:
    """Neither the compiler nor the library left its write-ahead log behind."""
    verify(criteria.nothing_left_behind(forge.value))


@pytest.mark.check(
    id="E-URZ-3",
    severity="P1",
    profiles="smoke canary incident",
    runbook=URZA,
    next_step="bad artifact: delete it, delete its row from catalog.db, and re-run the forge; artifact without a row: re-run the forge, then delete the file if it stays",
)
def test_every_blueprint_has_its_artifact(library: Observation[Library]) -> None:
    """Every blueprint in the library has its artifact, whole and not empty, and every artifact its blueprint."""
    verify(criteria.library_matches_artifacts(library.value))


@pytest.mark.check(
    id="E-URZ-4",
    severity="P2",
    profiles="canary incident",
    alert="tezzeret_compile_retry_high",
    runbook=URZA,
    next_step="re-run the forge and watch its WAL; raise max_retries for a while (the compiler writes no log)",
)
def test_the_compile_retry_alert_is_quiet(retry_alert: Observation[RetryAlert]) -> None:
    """The alert on compile retries is quiet while its metric is published."""
    verify(criteria.retry_alert_quiet(retry_alert.value))


@pytest.mark.check(
    id="E-REC-2b",
    severity="P1",
    profiles="incident",
    runbook=RECOVERY,
    next_step="the recovery is not over: the failing finding names what is left to do",
)
def test_the_forge_crash_is_over(forge: Observation[Forge], library: Observation[Library]) -> None:
    """After a forge crash nothing is pending, nothing is left behind, and library and artifacts match."""
    verify(
        criteria.nothing_pending(forge.value),
        criteria.nothing_left_behind(forge.value),
        criteria.library_matches_artifacts(library.value),
    )

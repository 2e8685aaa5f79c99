"""The sweep's definition in activity-core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub import criteria
from opsverify import verify

if TYPE_CHECKING:
    from fixtures.statehub.seen import Definition
    from opsverify import Observation


@pytest.mark.check(
    id="S-SCH-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook='"Schedule Check"',
    next_step="apply the runtime manifest, run the job actcore-sync again, then sync_schedules in the worker",
)
def test_the_definition_is_as_promised(definition: Observation[Definition]) -> None:
    """The definition is synced into PostgreSQL, enabled, and has the promised trigger, timezone and misfire policy."""
    verify(criteria.promised_definition(definition.value))

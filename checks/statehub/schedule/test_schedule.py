"""The sweep's definition in activity-core, and its schedule in Temporal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.activity.criteria import server as server_criteria
from checks.statehub.schedule import criteria as schedule_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.statehub.activity.models import Definition
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.schedule.models import Schedule


@pytest.mark.check(
    id="S-SCH-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook='"Schedule Check"',
    next_step="apply the runtime manifest, run the job actcore-sync again, then sync_schedules in the worker",
)
def test_the_definition_is_as_promised(definition: Observation[Definition]) -> None:
    """The definition is synced into PostgreSQL, enabled, and has the promised trigger, timezone and misfire policy."""
    verify(server_criteria.promised_definition(definition.value))


@pytest.mark.check(
    id="S-SCH-2",
    severity="P1",
    profiles="smoke canary incident",
    runbook='"Schedule Check"',
    next_step="paused: who paused it, and why? Otherwise reconcile: kubectl -n activity-core exec deploy/actcore-worker -- python -m activity_core.sync_schedules",
)
def test_temporal_fires_on_the_grid(temporal_schedule: Observation[Schedule], limits: StateHubLimits) -> None:
    """The Temporal schedule exists once, is not paused, fires at the next instants of the grid, and skips overlapping runs."""
    verify(schedule_criteria.promised_schedule(temporal_schedule, limits))

"""Activity-core: its PostgreSQL, its Temporal, the clocks, and the ActivityRuns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.statehub.activity.criteria import runs as run_criteria
from checks.statehub.activity.criteria import server as server_criteria
from checks.statehub.schedule import criteria as schedule_criteria
from checks.statehub.sources import criteria as sources_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Bracketed, Observation
    from systems.statehub.activity.models import ActivityServer, Runs
    from systems.statehub.schedule.models import Frontend, Schedule
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sources.models import Clocks
    from systems.statehub.sweeps.models import Sweeps


@pytest.mark.check(
    id="S-DB-1",
    severity="P1",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook='"ActivityRun Check"',
    next_step="is activity-core's PostgreSQL up, and does the runbook's host name resolve from here (docker-compose names resolve only in WSL)?",
)
def test_the_database_answers_and_is_current(
    activity_server: Observation[Bracketed[ActivityServer]], limits: StateHubLimits
) -> None:
    """Activity-core's database answers, is one server from start to end, current, and accepts writes."""
    servers = activity_server.value
    verify(
        server_criteria.same_server(servers),
        server_criteria.current(servers.last, limits),
        server_criteria.takes_writes(servers.last),
    )


@pytest.mark.check(
    id="S-DB-1b",
    severity="P1",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook='"Schedule Check"',
    next_step="is Temporal up? Stuck: see its server log and its own database; without Temporal nothing is scheduled",
)
def test_temporal_answers_and_fires(
    temporal_frontend: Observation[Frontend],
    temporal_schedule: Observation[Schedule],
    limits: StateHubLimits,
) -> None:
    """Temporal answers, knows the namespace, and took its action at the newest instant that was due."""
    verify(
        schedule_criteria.namespace_registered(temporal_frontend.value),
        schedule_criteria.fires(temporal_schedule, limits),
    )


@pytest.mark.check(
    id="S-DB-1c",
    severity="P2",
    profiles="smoke canary incident",
    runbook='"ActivityRun Check"',
    next_step="is NTP running on the named machine? Until then times of different sources cannot be compared",
)
def test_clocks_agree(clocks: Observation[Clocks], limits: StateHubLimits) -> None:
    """The clocks of all sources, and ours, agree."""
    verify(sources_criteria.clocks_agree(clocks.value, limits))


@pytest.mark.check(
    id="S-ACT-1",
    severity="P1",
    profiles="canary incident",
    runbook='"ActivityRun Check"',
    next_step="gaps and late runs: see worker and Temporal at that instant; differences: find out who wrote the run and who the event",
)
def test_one_run_for_each_instant(
    activity_runs: Observation[Runs], progress_events: Observation[Sweeps], limits: StateHubLimits
) -> None:
    """Each instant of the schedule has one run, fired on time, whose result equals its progress event."""
    verify(run_criteria.one_run_per_instant(activity_runs.value, progress_events.value, limits))


@pytest.mark.check(
    id="S-ACT-1b",
    severity="P3",
    profiles="canary incident",
    runbook='"ActivityRun Check"',
    next_step="nothing now: these gaps are older than the last change of the definition, or than the incident's end",
)
def test_no_older_gaps(activity_runs: Observation[Runs], limits: StateHubLimits) -> None:
    """The part of the last 24 hours that S-ACT-1 no longer judges has no gaps either."""
    verify(run_criteria.no_older_gaps(activity_runs.value, limits))


@pytest.mark.check(
    id="S-REC-1b",
    severity="P0",
    profiles="incident",
    subsystem="schedule",
    runbook='"Schedule Check"',
    next_step="not over: S-SCH-1 and S-SCH-2 (is it scheduled?), S-K8S-1 (is the worker up?), then sync_schedules in the worker",
)
def test_a_lost_scheduler_is_back(activity_runs: Observation[Runs], limits: StateHubLimits) -> None:
    """The newest instants that were due each have a run again."""
    verify(run_criteria.resumed(activity_runs.value, limits))

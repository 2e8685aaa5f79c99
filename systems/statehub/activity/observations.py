"""Observations of activity-core's PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsverify.model.deadline import seconds
from opsverify.model.observation import ErrorKind, Unobservable, observation
from systems.statehub.activity.definition import definition_of, run_of
from systems.statehub.activity.models import ActivityServer, Definition, Runs
from systems.statehub.client import StateHubClient
from systems.statehub.sweeps.window import begin, promised

__all__ = ["activity_runs", "activity_server", "definition"]


@observation(of="activity", deadline=seconds(5), identity=True)
async def activity_server(statehub: StateHubClient) -> ActivityServer:
    """The PostgreSQL server of activity-core, at the start and at the end of the gathering."""
    return await statehub.activity.server()


@observation(of="activity", deadline=seconds(5))
async def definition(statehub: StateHubClient) -> Definition:
    """The sweep's definition in activity-core."""
    return definition_of(await statehub.activity.definitions(), promised(statehub))


@observation(of="activity", deadline=seconds(8))
async def activity_runs(statehub: StateHubClient) -> Runs:
    """ActivityRuns of the last 24 hours, and the instant from which on they are judged."""
    limits, definition = statehub.section.limits, promised(statehub)
    interval, window = limits.interval.duration, limits.window.duration
    now = datetime.now(UTC)
    most = 4 * int(window / interval) + 100
    rows, server = await statehub.activity.runs(now - window - interval, most)
    if len(rows) >= most:
        message = (
            f"more than {most} runs in {window}: not the schedule of {interval}, or another definition's id"
        )
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    if server["behind"] is None:
        raise Unobservable(
            ErrorKind.PRECONDITION,
            "this standby has not replayed any transaction: the age of its rows is unknown",
        )
    changed = definition_of(await statehub.activity.definitions(), definition).changed
    since, why = begin(now - window, changed, statehub.section.incident_ended)
    return Runs(
        runs=tuple(reversed([run_of(row) for row in rows])),
        count=len(rows),
        day=now - window,
        since=since,
        since_why=why,
        as_of=now - max(server["behind"], timedelta(0)),
        ahead=server["ahead"],
        standby=server["standby"],
        manual=statehub.section.schedule.manual_sources,
    )

"""State Hub's part of a target file: its surfaces, tables, the promised schedule, and limits."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import AwareDatetime, model_validator

from opsverify.target.file import Section
from systems.statehub.activity.target import ActivityTarget, Columns, Tables
from systems.statehub.api.target import HttpTarget
from systems.statehub.kubernetes.target import KubernetesTarget
from systems.statehub.limits import StateHubLimits
from systems.statehub.schedule.target import PromisedSchedule, TemporalTarget, step_of
from systems.statehub.workstation.target import WorkstationTarget

__all__ = ["CANARY_AROUND", "StateHubLimits", "StateHubSection"]
CANARY_AROUND = timedelta(seconds=240)
"""The canary's time for everything but its sweep: wait for a free moment, slack, wait for its event."""
_REPLIES = timedelta(seconds=30)


class StateHubSection(Section):
    """A State Hub instance with the activity-core that schedules its sweep.

    `incident_ended` is the instant (with zone) from which an incident is said to be over: gaps before it are shown
    and no longer counted.
    """

    surfaces: ClassVar[tuple[str, ...]] = (
        "api",
        "bridge",
        "activity",
        "temporal",
        "kubernetes",
        "workstation",
    )

    api: HttpTarget | None = None
    bridge: HttpTarget | None = None
    activity: ActivityTarget | None = None
    temporal: TemporalTarget | None = None
    kubernetes: KubernetesTarget | None = None
    workstation: WorkstationTarget | None = None
    tables: Tables = Tables()
    columns: Columns = Columns()
    schedule: PromisedSchedule = PromisedSchedule()
    incident_ended: AwareDatetime | None = None
    limits: StateHubLimits = StateHubLimits()

    @model_validator(mode="after")
    def _grid_is_the_schedules(self) -> StateHubSection:
        step = step_of(self.schedule.cron)
        if step != self.limits.interval.duration:
            msg = f"limits.interval is {self.limits.interval}, but schedule.cron {self.schedule.cron!r} fires every {step.total_seconds():g} s"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _canary_ends_in_time(self) -> StateHubSection:
        limits = self.limits
        if limits.patience.duration + limits.canary_slack.duration * 2 > CANARY_AROUND - _REPLIES:
            msg = f"limits.patience {limits.patience} and canary_slack {limits.canary_slack} are too long: a canary is given {CANARY_AROUND.total_seconds():g} s around its sweep"
            raise ValueError(msg)
        return self

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        configured = {
            "api": self.api.url if self.api else None,
            "bridge": self.bridge.url if self.bridge else None,
            "activity": self.activity.url if self.activity else None,
            "temporal": f"{self.temporal.url}/{self.temporal.namespace}" if self.temporal else None,
            "kubernetes": self.kubernetes
            and f"{self.kubernetes.kubeconfig} {self.kubernetes.context or ''}".strip(),
            "workstation": self.workstation.host if self.workstation else None,
        }
        return {surface: url for surface, url in configured.items() if url}

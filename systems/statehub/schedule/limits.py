"""Thresholds of the checks on the schedule."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["ScheduleLimits"]


class ScheduleLimits(Limits):
    """Thresholds of the checks on the schedule."""

    interval: Window = Window(value=900, unit="s", source="runbook, Schedule Check: */15 * * * *")
    fired: Limit = Limit(value=60, unit="s", source="assumed: from scheduled_for to fired_at")
    slack: Limit = Limit(value=60, unit="s", source="assumed: a scheduler's and an insert's own time")
    fire_times: Limit = Limit(value=4, unit="fire times", source="SEMANTICS, State Hub: the next four")

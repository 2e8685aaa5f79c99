"""Thresholds of the checks on the tasks that agents run."""

from __future__ import annotations

from opsverify.model.limits import Limits, Window

__all__ = ["AgentsLimits"]


class AgentsLimits(Limits):
    """Thresholds of the checks on the tasks that agents run."""

    task_flow: Window = Window(
        value=10, unit="s", source="assumed: from a task request until its address resolves"
    )
    command: Window = Window(value=20, unit="s", source="assumed: a command of bzzz inside a task")

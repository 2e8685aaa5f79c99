"""Every threshold of the checks on services."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["ServicesLimits"]


class ServicesLimits(Limits):
    """Every threshold of the checks on services."""

    task_failures: Limit = Limit(
        value=3, unit="failed tasks", source="assumed: in one slot within failure_window, a restart loop"
    )
    failure_window: Limit = Limit(value=600, unit="s", source="assumed: what failed before is history")
    services_confirm: Window = Window(
        value=3, unit="s", source="SEMANTICS, Everywhere: what can flicker is observed once more"
    )
    update_delay: Limit = Limit(value=30, unit="s", source="runbook, Rolling Updates: --update-delay 30s")

"""Every threshold of the State Hub checks, with its unit and where it comes from."""

from __future__ import annotations

from systems.statehub.activity.limits import ActivityLimits
from systems.statehub.kubernetes.limits import KubernetesLimits
from systems.statehub.schedule.limits import ScheduleLimits
from systems.statehub.sources.limits import SourcesLimits
from systems.statehub.sweeps.limits import SweepsLimits

__all__ = ["StateHubLimits"]


class StateHubLimits(ScheduleLimits, SweepsLimits, ActivityLimits, KubernetesLimits, SourcesLimits):
    """Every threshold of the State Hub checks; a Window says over how long, or how much, is looked at."""

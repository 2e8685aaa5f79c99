"""Thresholds of the checks on telemetry of the training side."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["TrainingLimits"]


class TrainingLimits(Limits):
    """Thresholds of the checks on telemetry of the training side."""

    telemetry: Window = Window(
        value=500,
        unit="entries",
        source="assumed: newest telemetry entries read, some sixty runs of the demo",
    )
    fresh: Limit = Limit(
        value=60, unit="s", source="assumed: age of the newest telemetry of a source that is at work"
    )

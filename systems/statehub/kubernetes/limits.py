"""Thresholds of the checks on the cluster."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["KubernetesLimits"]


class KubernetesLimits(Limits):
    """Thresholds of the checks on the cluster."""

    sync_age: Limit = Limit(
        value=90, unit="days", source="assumed: a finished job is removed; definitions change with releases"
    )

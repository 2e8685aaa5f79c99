"""Thresholds of the checks on the shared storage."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["StorageLimits"]


class StorageLimits(Limits):
    """Thresholds of the checks on the shared storage."""

    storage_free: Limit = Limit(value=0.1, unit="of the storage", source="assumed")

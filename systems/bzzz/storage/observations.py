"""Observations of the shared storage."""

from __future__ import annotations

from typing import Any

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from systems.bzzz.client import BzzzClient
from systems.bzzz.storage.models import StorageState, StorageWritten

__all__ = ["storage", "storage_written"]


@observation(of="storage", deadline=seconds(12))
async def storage(bzzz: BzzzClient) -> StorageState:
    """The storage as the services see it: mounts, free space, rights. A path that hangs is a value, not an error."""
    return await bzzz.hosts.storage()


@observation(of="storage", deadline=seconds(12), active="write_probe")
async def storage_written(bzzz: BzzzClient, write_probe: Any) -> StorageWritten:
    """The result of writing a small file to each path, reading it back, and removing it."""
    results: dict[str, str] = await write_probe()
    assert bzzz.section.storage is not None  # noqa: S101 - the action would have refused
    return StorageWritten(host=bzzz.section.storage.host, results=results)

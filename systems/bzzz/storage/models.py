"""The state of the shared storage."""

from __future__ import annotations

from typing import Literal

from opsverify.model.observation import Observed

__all__ = ["StoragePath", "StorageSeen", "StorageWritten"]


class StoragePath(Observed):
    """A path of the storage. `mount` is the mount that it lies in, with its type and options; `trouble` is what kept us
    from looking into it. Sizes in bytes, as its file system tells.
    """

    path: str
    mount: str
    type: str
    device: str
    options: tuple[str, ...]
    trouble: Literal["", "hangs", "stale", "missing", "fails"]
    told: str = ""
    writable: bool
    size: int
    free: int

    @property
    def read_only(self) -> bool:
        """Whether it is mounted read-only."""
        return "ro" in self.options


class StorageSeen(Observed):
    """Every path, of those that the services need, as the host sees it; `types` are those that they may have."""

    host: str
    types: tuple[str, ...]
    needed: tuple[str, ...]
    paths: tuple[StoragePath, ...]


class StorageWritten(Observed):
    """What came of writing, reading back and removing a file in each path: empty text where it went well."""

    host: str
    results: dict[str, str]

"""Models of the shared storage: paths with their mounts, and the write probe."""

from __future__ import annotations

from typing import Literal

from opsverify.model.observation import Observed

__all__ = ["StoragePath", "StorageState", "StorageWritten"]


class StoragePath(Observed):
    """A path of the storage. `mount` is the mount that it lies in, with its type and options; `trouble` is why it could not
    be read. Sizes in bytes, by its file system.
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


class StorageState(Observed):
    """The paths that the services need (`needed`), as the host sees them; `types` are the allowed file system types."""

    host: str
    types: tuple[str, ...]
    needed: tuple[str, ...]
    paths: tuple[StoragePath, ...]


class StorageWritten(Observed):
    """The result of writing, reading back and removing a file in each path: empty where it worked, else why not."""

    host: str
    results: dict[str, str]

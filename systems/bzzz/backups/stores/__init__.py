"""Stores of dumps: a folder on a host, or an S3-compatible store; and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.bzzz.backups.stores.folder import FolderPlace, OffsiteHost
from systems.bzzz.backups.stores.target import is_s3

if TYPE_CHECKING:
    from systems.bzzz.backups.stores.store import DumpPlace
    from systems.bzzz.backups.stores.target import S3Target
    from systems.bzzz.backups.target import BackupsTarget

__all__ = ["open_dumps", "open_offsite"]


def open_dumps(target: BackupsTarget) -> DumpPlace:
    """The store of the dumps. Nothing is sent yet."""
    if is_s3(target.folder):
        return _s3(target.folder, target.s3, target.programs)
    return FolderPlace(target, target.folder, target.programs)


def open_offsite(target: BackupsTarget, offsite: str) -> DumpPlace:
    """The store of the off-site copies. Nothing is sent yet."""
    if is_s3(offsite):
        return _s3(offsite, target.offsite_s3 or target.s3, target.programs)
    return FolderPlace(OffsiteHost(target), offsite, target.programs)


def _s3(place: str, store: S3Target, programs: str | None) -> DumpPlace:
    # boto3 is optional and large: imported only for a store.
    from systems.bzzz.backups.stores.s3 import S3Place  # noqa: PLC0415

    return S3Place(place, store, programs)

"""Observation of a trial restore of the newest backup."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from opsverify.model.observation import observation
from systems.bzzz.client import BzzzClient
from systems.bzzz.restore.models import Restored

__all__ = ["restored_newest_backup"]

_AROUND = timedelta(hours=2, minutes=10)
"""The longest that a restore may take (it ends itself before), with starting and removing its server."""


class RestoreNewestBackup(Protocol):
    """The operator's one action that this observation has."""

    async def __call__(self) -> Restored:
        """Restore the newest dump on trial."""


@observation(of="backups", deadline=_AROUND, active="restore_newest_backup")
async def restored_newest_backup(bzzz: BzzzClient, restore_newest_backup: RestoreNewestBackup) -> Restored:
    """The newest dump, restored into a scratch server on this machine and queried."""
    del bzzz  # the operator has the same section
    return await restore_newest_backup()

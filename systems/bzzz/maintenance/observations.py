"""Observations of maintenance: the last restore, and work done by hand."""

from __future__ import annotations

from opsverify.model.deadline import seconds
from opsverify.model.observation import observation
from opsverify.probes.blocking import in_thread
from systems.bzzz.client import BzzzClient
from systems.bzzz.maintenance.models import DoneByHand, LastRestore
from systems.bzzz.maintenance.record import done_by_hand
from systems.bzzz.restore.record import read_record, record_path

__all__ = ["last_restore", "maintenance_by_hand"]


@observation(of="backups", deadline=seconds(5))
async def last_restore(bzzz: BzzzClient) -> LastRestore:
    """The last successful restore of a backup, as the restore check recorded it."""
    last = await in_thread(read_record, bzzz.section)
    return LastRestore(record=str(record_path(bzzz.section)), last=last)


@observation(of="backups", deadline=seconds(5))
async def maintenance_by_hand(bzzz: BzzzClient) -> DoneByHand:
    """When each item of the maintenance lists that no program can verify was last done."""
    return await in_thread(done_by_hand, bzzz.backups.target.maintenance)

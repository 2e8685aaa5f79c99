"""Checks of the shared storage: mounted, writable, with room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.capacity.test_capacity import CRITICAL
from checks.bzzz.storage import criteria as storage_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.storage.models import StorageState, StorageWritten


@pytest.mark.check(
    id="B-STO-1",
    subsystem="capacity",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=CRITICAL,
    next_step="check that the NFS server is up and reachable from this host; for a stale handle umount -f -l and mount again; "
    "then restart the services that write there (B-DHT-1, B-DB-1, B-BAK-1 suffer first)",
)
def test_storage_is_mounted_and_writable(storage: Observation[StorageState]) -> None:
    """The storage is mounted where the services need it, answers, and is writable."""
    verify(storage_criteria.mounted(storage.value), storage_criteria.usable(storage.value))


@pytest.mark.check(
    id="B-STO-1b",
    subsystem="capacity",
    severity="P1",
    profiles="smoke canary incident",
    runbook=CRITICAL,
    next_step="clean up logs and temporary files first (runbook, System Health Critical: disk full); check that old backups are rotated",
)
def test_storage_has_room(storage: Observation[StorageState], limits: BzzzLimits) -> None:
    """The storage has room left."""
    verify(storage_criteria.roomy(storage.value, limits))


@pytest.mark.check(
    id="B-STO-1c",
    subsystem="capacity",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=CRITICAL,
    next_step="see B-STO-1 for the mount and B-STO-1b for room; a quota, or root_squash on the server, shows only here",
)
def test_storage_takes_a_file(storage_written: Observation[StorageWritten]) -> None:
    """A file that is written to the storage can be read back and removed."""
    verify(storage_criteria.written(storage_written.value))

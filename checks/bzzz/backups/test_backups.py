"""Backups: dumps, base backup and WAL, configuration export, off-site copy, DHT content, Prometheus snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.backups import criteria as backups
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.backups.models import (
        BaseBackup,
        Configured,
        Dumps,
        Export,
        NewestFile,
        OffsiteCopy,
        WalArchive,
    )
    from systems.bzzz.limits import BzzzLimits

_JOB = "read the backup job's log, check free disk space, and take a dump by hand"


@pytest.mark.check(
    id="B-BAK-1",
    severity="P1",
    profiles="canary maintenance",
    subsystem="database",
    runbook='"Database Backup"',
    next_step=_JOB,
)
def test_the_newest_dump_is_young_and_whole(database_dumps: Observation[Dumps], limits: BzzzLimits) -> None:
    """The newest dump is younger than a day, has not shrunk, and can be read to its closing line."""
    dumps = database_dumps.value
    verify(backups.dump_young(dumps, limits), backups.dump_whole(dumps))


@pytest.mark.check(
    id="B-BAK-1b",
    severity="P1",
    profiles="canary maintenance",
    subsystem="database",
    runbook='"Point-in-Time Recovery"',
    next_step="take a new base backup (pg_basebackup), and verify it (pg_verifybackup)",
)
def test_the_base_backup_is_verified(base_backup: Observation[BaseBackup], limits: BzzzLimits) -> None:
    """The newest base backup matches its manifest."""
    verify(backups.base_verified(base_backup.value, limits))


@pytest.mark.check(
    id="B-BAK-1c",
    severity="P1",
    profiles="canary maintenance",
    subsystem="database",
    runbook='"Backup Schedule"',
    next_step="take a new base backup now; B-DB-3 shows why a segment is missing",
)
def test_the_wal_archive_has_no_gap(wal_archive: Observation[WalArchive]) -> None:
    """Every WAL segment since the base backup is in the archive."""
    verify(backups.archive_without_gaps(wal_archive.value))


@pytest.mark.check(
    id="B-BAK-2",
    severity="P1",
    profiles="canary maintenance",
    subsystem="config",
    runbook='"Configuration Backup"',
    next_step="export again; keep the secrets' payloads where the target says",
)
def test_the_configuration_export_is_whole(
    configuration_export: Observation[Export], limits: BzzzLimits
) -> None:
    """The configuration export is complete in itself, readable, and younger than a week."""
    verify(backups.export_whole(configuration_export.value, limits))


@pytest.mark.check(
    id="B-BAK-2b",
    severity="P1",
    profiles="canary maintenance",
    subsystem="config",
    runbook='"Backup Schedule"',
    next_step="export again: secrets, configs or services changed since the last export",
)
def test_the_configuration_export_is_current(
    configuration_export: Observation[Export], configuration_now: Observation[Configured]
) -> None:
    """The configuration export holds every secret's name, config and service as they are now."""
    verify(backups.export_agrees(configuration_export.value, configuration_now.value))


@pytest.mark.check(
    id="B-BAK-3",
    severity="P1",
    profiles="canary maintenance",
    subsystem="database",
    runbook='"Database Backup"',
    next_step="copy the dump again, and read the copy job's log",
)
def test_the_offsite_copy_is_the_same(offsite_copy: Observation[OffsiteCopy]) -> None:
    """The off-site copy of the newest dump has its size and checksum."""
    verify(backups.offsite_same(offsite_copy.value))


@pytest.mark.check(
    id="B-BAK-4",
    severity="P2",
    profiles="maintenance",
    subsystem="dht",
    runbook='"Critical Data Identification"',
    next_step="copy the agents' DHT stores, or declare dht_replication_only with the reason",
)
def test_dht_content_is_kept(dht_backup: Observation[NewestFile], limits: BzzzLimits) -> None:
    """The DHT's content has a backup, or the target declares that replication alone keeps it."""
    verify(backups.dht_kept(dht_backup.value, limits))


@pytest.mark.check(
    id="B-BAK-5",
    severity="P2",
    profiles="maintenance",
    subsystem="monitoring",
    runbook='"Prometheus Data Backup"',
    next_step="take a snapshot, and copy it under the name in Prometheus's reply: there is no `latest`",
)
def test_a_prometheus_snapshot_is_kept(
    prometheus_snapshot: Observation[NewestFile], limits: BzzzLimits
) -> None:
    """A Prometheus snapshot is younger than eight days."""
    verify(backups.snapshot_kept(prometheus_snapshot.value, limits))

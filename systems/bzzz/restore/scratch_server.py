"""Scratch server of a restore: an empty PostgreSQL, removed with its data when the restore is over."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opsverify.servers.guard import Guard
from opsverify.servers.postgres import PostgresServer
from systems.bzzz.restore.restore_error import NotRestored, RestoreErrorReason
from systems.bzzz.restore.stream import LEAVE_FREE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["EMPTY_CLUSTER", "SETTINGS", "refuse_without_space", "scratch_folder", "scratch_server"]

EMPTY_CLUSTER = 128 << 20
"""Bytes of a server with an empty database and its first WAL."""
SETTINGS: Mapping[str, str] = {
    "wal_level": "minimal",  # no standby, and a table created and filled in one transaction needs no WAL then
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "maintenance_work_mem": "128MB",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "synchronous_commit": "off",
}


def refuse_without_space(folder: Path, needed: int, leave_free: int = LEAVE_FREE) -> None:
    """Raise NotRestored (disk-full) where the disk of `folder` lacks `needed` bytes plus those that must stay free."""
    free = shutil.disk_usage(folder).free
    if free < needed + leave_free:
        message = f"{folder} has {free >> 20} MB free; about {needed >> 20} MB are needed, and {leave_free >> 20} MB must stay free"
        raise NotRestored(RestoreErrorReason.DISK_FULL, message)


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[tuple[Guard, Path]]:
    """A guard and its folder: what is registered with it ends with the block, or with this process."""
    with Guard() as guard:
        yield guard, guard.folder("opsverify-restore-", inside)


@contextmanager
def scratch_server(
    origins: Sequence[str], inside: Path | None = None
) -> Iterator[tuple[PostgresServer, Guard]]:
    """An empty server in a temporary folder.

    Raises:
        ServerFailed: there is no PostgreSQL here, or it does not start.
    """
    with scratch_folder(inside) as (guard, folder):
        server = PostgresServer.start(
            origins=origins, guard=guard, folder=folder, database="postgres", settings=SETTINGS
        )
        try:
            yield server, guard
        finally:
            server.kill()  # its data is removed, so no clean shutdown is needed

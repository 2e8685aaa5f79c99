"""A scratch server: an empty PostgreSQL of a restore's own, gone with all that it held when the restore is over."""

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
"""What a server with an empty database and its first WAL takes, in bytes."""
SETTINGS: Mapping[str, str] = {
    "wal_level": "minimal",  # nobody follows it, and what one transaction makes and fills needs no WAL
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "maintenance_work_mem": "128MB",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "synchronous_commit": "off",
}


def refuse_without_space(folder: Path, needed: int, leave_free: int = LEAVE_FREE) -> None:
    """Raise NotRestored (disk-full) where the disk of `folder` has not `needed` bytes and what must stay free."""
    free = shutil.disk_usage(folder).free
    if free < needed + leave_free:
        told = f"{folder} has {free >> 20} MB free; about {needed >> 20} MB are needed, and {leave_free >> 20} MB stay free"
        raise NotRestored(RestoreErrorReason.DISK_FULL, told)


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[tuple[Guard, Path]]:
    """A guard of the restore's own and a folder of it: whatever is registered ends with the block, or with this process."""
    with Guard() as guard:
        yield guard, guard.folder("opsverify-restore-", inside)


@contextmanager
def scratch_server(
    origins: Sequence[str], inside: Path | None = None
) -> Iterator[tuple[PostgresServer, Guard]]:
    """An empty server in a folder of its own.

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
            server.kill()  # what it holds is thrown away: nothing has to be written for that

"""Actions that back up and restore (runbook "Backup and Recovery")."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from opsverify.model.operator import ByHand, action
from opsverify.probes.blocking import in_thread
from systems.bzzz.actions import BzzzActions
from systems.bzzz.restore.models import Account, Recovered, Restored

__all__ = ["RestoringActions"]

_LONGEST = timedelta(hours=2)
_IN_POSTGRES = "docker exec -i $(docker ps -q -f name=postgres)"
_VERIFIED_BY = ("B-REC-5b",)


class RestoringActions(BzzzActions):
    """Actions that back up and restore."""

    @action
    async def restore_newest_backup(self) -> Restored:
        """Restore the newest dump into a scratch server on this machine, query it, and remove everything again.

        Raises:
            Unobservable: the dump could not be judged.
        """
        # Imported here: a read-only run never starts a server.
        from systems.bzzz.restore.restore_test import restore_newest  # noqa: PLC0415

        given_up = Event()
        try:
            return await in_thread(restore_newest, self._section, _LONGEST, given_up)
        finally:
            given_up.set()

    @action
    async def dump_database(self) -> str:
        """Take a dump of the database, and of the roles next to it; returns the dump's path."""
        jobs = self._own_twin(
            f"{_IN_POSTGRES} pg_dump -U bzzz -d bzzz_v2 | gzip > /rust/bzzz-v2/backups/bzzz_$(date +%Y%m%d_%H%M%S).sql.gz "
            f"and {_IN_POSTGRES} pg_dumpall -U bzzz --globals-only > /rust/bzzz-v2/backups/roles_$(date +%Y%m%d_%H%M%S).sql"
        ).stack.database.jobs
        made = await in_thread(jobs.dump)
        await in_thread(jobs.roles)
        return str(made)

    @action
    async def take_base_backup(self) -> str:
        """Take a base backup for point-in-time recovery; returns its path."""
        twin = self._own_twin(f"{_IN_POSTGRES} pg_basebackup -U postgres -D /backup/base -X stream -P")
        return str(await in_thread(twin.stack.database.jobs.base_backup))

    @action
    async def mark_instant(self, name: str) -> datetime:
        """Create a restore point (pg_create_restore_point); returns the time after it."""
        twin = self._own_twin(
            f"{_IN_POSTGRES} psql -U postgres -c \"select pg_create_restore_point('{name}')\""
        )
        at: datetime = await in_thread(twin.mark, name)
        return at

    @action
    async def restore_database(self, dump: str) -> str:
        """Restore a dump into an empty database: roles first, in one transaction, stopping at the first error.

        Raises:
            NotRestored: nothing of it was committed; why.
        """
        twin = self._own_twin(
            f"create the missing roles of roles_*.sql; {_IN_POSTGRES} createdb -U bzzz bzzz_v2; then "
            f"gunzip -t {dump} && gunzip -c {dump} | {_IN_POSTGRES} "
            "psql -X -v ON_ERROR_STOP=1 --single-transaction -U bzzz -d bzzz_v2 -f -"
        )
        return str(await in_thread(twin.restore, Path(dump)))

    @action
    async def recover_to_point(self, goal: str | datetime) -> Recovered:
        """Recover the newest base backup with its archived WAL to a restore point or a time, on a separate server.

        Raises:
            NotRestored: the base backup is damaged, WAL is missing, or the WAL ends before the goal.
        """
        twin = self._own_twin(
            "pg_verifybackup the base backup; copy it and the WAL archive to another machine; there, in postgresql.conf: "
            "restore_command, recovery_target_name or recovery_target_time, recovery_target_action = promote, "
            "archive_mode = off; touch recovery.signal; start it on another port"
        )
        recovered: Recovered = await in_thread(twin.recover, goal)
        return recovered

    @action
    async def account_for_database(self) -> Account:
        """Account for the database: rows and checksum of each table, sequences, definitions."""
        twin = self._own_twin("select count(*) of every table, before and after")
        account: Account = await in_thread(twin.account)
        return account

    def _own_twin(self, by_hand: str) -> Any:
        if self._twin is None:
            raise ByHand(by_hand, verified_by=_VERIFIED_BY)
        return self._twin

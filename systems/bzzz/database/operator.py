"""Actions on the database (runbook "Database Maintenance")."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from opsverify.model.operator import ByHand, action
from opsverify.probes.postgres import why
from systems.bzzz.actions import BzzzActions

if TYPE_CHECKING:
    from systems.bzzz.database.target import DatabaseTarget

__all__ = ["DatabaseActions"]

_WITHIN = timedelta(minutes=30)
_BY_HAND = 'docker exec -it $(docker ps -q -f name=postgres) psql -U bzzz -d bzzz_v2 -c "VACUUM ANALYZE;"'


class DatabaseActions(BzzzActions):
    """Actions on the database."""

    @action
    async def vacuum_analyze(self) -> str:
        """VACUUM ANALYZE of the whole database, as its owner; it ends by itself, or after half an hour."""
        target = self._section.database
        if target is None or target.owner_password_env is None:
            message = f"the target has no owner's password ([bzzz.database] owner_password_env); by hand: {_BY_HAND}"
            raise ByHand(message, verified_by=("B-DB-2",))
        try:
            return await _vacuum(target, target.owner_password_env.get_secret_value())
        except psycopg.Error as error:
            raise why(error) from None


async def _vacuum(target: DatabaseTarget, password: str) -> str:
    bound = f"-c statement_timeout={int(_WITHIN.total_seconds() * 1000)}"
    verified: dict[str, Any] = (
        {} if target.ca_file is None else {"sslrootcert": target.ca_file, "sslmode": "verify-full"}
    )
    async with await psycopg.AsyncConnection.connect(
        target.url,
        user=target.owner,
        password=password,
        autocommit=True,
        connect_timeout=30,
        application_name="opsverify",
        options=bound,
        **verified,
    ) as connection:
        await connection.execute("vacuum analyze")
        row = await (await connection.execute("select current_database()")).fetchone()
    return f"vacuumed and analyzed {row[0] if row else 'the database'}"

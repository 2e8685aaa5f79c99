"""The PostgreSQL of a BZZZ target."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from opsverify.target.file import EnvSecret, Table, address

__all__ = ["DatabaseTarget"]


class DatabaseTarget(Table):
    """BZZZ's PostgreSQL (runbook: user bzzz, database bzzz_v2), and whether it is to be a primary or a standby.

    The login is one that reads: a member of pg_monitor sees all that is looked at. `owner` is whom an armed
    VACUUM ANALYZE logs in as; without a password it is done by hand.
    """

    url: str
    password_env: EnvSecret | None = None
    ca_file: str | None = None
    role: Literal["primary", "standby"] = "primary"
    owner: str = "bzzz"
    owner_password_env: EnvSecret | None = None

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: str) -> str:
        return address(url, ("postgresql", "postgres"))

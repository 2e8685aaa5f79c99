"""Activity-core's PostgreSQL of a State Hub target: its tables and columns."""

from __future__ import annotations

import re

from pydantic import field_validator

from opsverify.target.file import EnvSecret, Table, address

__all__ = ["ActivityTarget", "Columns", "Tables"]

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$")


class ActivityTarget(Table):
    """Activity-core's PostgreSQL. The user and the database stand in the address, the password in the environment."""

    url: str
    password_env: EnvSecret | None = None
    ca_file: str | None = None

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: str) -> str:
        return address(url, ("postgresql", "postgres"))


class _Names(Table):
    @field_validator("*")
    @classmethod
    def _name(cls, value: str) -> str:
        if value and not _NAME.match(value):
            msg = f"{value[:40]!r} is not a name of a table or column (letters, digits, _; at most one dot)"
            raise ValueError(msg)
        return value


class Tables(_Names):
    """Names of activity-core's tables."""

    definitions: str = "activity_definitions"
    runs: str = "activity_runs"


class Columns(_Names):
    """Names of the columns that are read. `changed` may be empty if definitions have no time of change."""

    definition: str = "id"
    name: str = "name"
    trigger: str = "trigger_config"
    misfire: str = "misfire_policy"
    enabled: str = "enabled"
    changed: str = "updated_at"
    run: str = "run_id"
    run_definition: str = "definition_id"
    fired: str = "fired_at"
    scheduled: str = "scheduled_for"
    snapshot: str = "context_snapshot"

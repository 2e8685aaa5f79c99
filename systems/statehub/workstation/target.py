"""The workstation of a State Hub target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from opsverify.target.file import Table, address

__all__ = ["WorkstationTarget"]


class WorkstationTarget(Table):
    """The workstation on which the local timer was retired: `local://` or `ssh://[user@]host[:port]`.

    `scopes` are the systemd managers that are asked for the unit: it is not documented whether it was a system or a user
    unit. `systemctl` is the program, if it is not on the PATH.
    """

    host: str
    ssh_config: str | None = None
    identity_file: str | None = None
    timer: str = "custodian-sync.timer"
    scopes: tuple[Literal["system", "user"], ...] = Field(default=("system", "user"), min_length=1)
    systemctl: str = "systemctl"

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        return host if host == "local://" else address(host, ("ssh",))

"""Redis, streams and consumer groups of an Esper-Lite target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from opsverify.target.file import EnvSecret, Table, address

__all__ = ["GroupRoles", "RedisTarget", "Role", "Streams"]

Role = Literal["normal", "emergency", "telemetry", "policy"]


class RedisTarget(Table):
    """The bus. `url` may be redis:// or rediss://; login by `username` and a password from the environment."""

    url: str
    username: str | None = None
    password_env: EnvSecret | None = None
    ca_file: str | None = None

    @field_validator("url")
    @classmethod
    def _redis(cls, url: str) -> str:
        return address(url, ("redis", "rediss"))


class Streams(Table):
    """Stream names, as OONA_NORMAL_STREAM and its like set them (runbook 3.2)."""

    normal: str = "oona.normal"
    emergency: str = "oona.emergency"
    telemetry: str = "oona.telemetry"
    policy: str = "oona.policy"

    def names(self) -> dict[Role, str]:
        """Name of each role's stream. Roles may share a stream: telemetry and policy fall back to normal."""
        return {
            "normal": self.normal,
            "emergency": self.emergency,
            "telemetry": self.telemetry,
            "policy": self.policy,
        }


class GroupRoles(Table):
    """A consumer group that a service needs: the streams it is created on, and those that the service reads.

    `consumers` is how many share its work on purpose; with more than one, each Nissa counts only its share.
    """

    on: tuple[Role, ...]
    reads: tuple[Role, ...]
    consumers: int = Field(default=1, ge=1)

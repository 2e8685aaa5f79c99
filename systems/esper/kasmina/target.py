"""Isolation violations that somebody has explained."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from opsverify.target.file import Table

__all__ = ["IsolationAcknowledged"]


class IsolationAcknowledged(Table):
    """Isolation violations that somebody has looked into: the counter never goes back by itself."""

    count: int = Field(ge=0)
    owner: str = Field(min_length=1)
    expires: AwareDatetime

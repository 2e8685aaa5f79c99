"""Acknowledged isolation violations of an Esper-Lite target."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from opsverify.target.file import Table

__all__ = ["IsolationAcknowledged"]


class IsolationAcknowledged(Table):
    """Isolation violations that somebody has investigated: the counter never goes down while Kasmina runs."""

    count: int = Field(ge=0)
    owner: str = Field(min_length=1)
    expires: AwareDatetime

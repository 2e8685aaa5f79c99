"""An HTTP address of a State Hub target."""

from __future__ import annotations

from pydantic import field_validator

from opsverify.target.file import Table, address

__all__ = ["HttpTarget"]


class HttpTarget(Table):
    """State Hub's HTTP API, direct or through the bridge."""

    url: str

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return address(url, ("http", "https"))

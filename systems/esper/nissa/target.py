"""The Nissa of an Esper-Lite target."""

from __future__ import annotations

from pydantic import field_validator

from opsverify.target.file import Table, address

__all__ = ["NissaTarget"]


class NissaTarget(Table):
    """The observability service's HTTP address."""

    url: str

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        return address(url, ("http", "https"))

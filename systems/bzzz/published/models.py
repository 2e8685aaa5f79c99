"""Model of a published address: its certificate and its HTTP status."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from opsverify.model.observation import Observed

__all__ = ["LARGEST", "Endpoint"]


LARGEST = 5
"""Log files kept in an observation, of one node."""


class Endpoint(Observed):
    """A published address that answered with HTTP `status`; over TLS with its certificate's fields, and in `trouble` what
    is wrong with it for the name `host`. `without_tls` is the target's reason for plain HTTP.
    """

    url: str
    host: str
    at: AwareDatetime
    status: int
    tls: bool
    without_tls: str = ""
    trouble: Literal["", "expired", "not-yet-valid", "wrong-name", "too-weak"]
    names: tuple[str, ...] = ()
    issuer: str = ""
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None

"""What a published address answers: its certificate and its page."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from opsverify.model.observation import Observed

__all__ = ["LARGEST", "EndpointSeen"]


LARGEST = 5
"""So many log files are kept of a node."""


class EndpointSeen(Observed):
    """A published address that answered with HTTP `status`. Over TLS with what its certificate says; `trouble` is what
    is wrong with that for the name `host`. `without_tls` is the target's reason for plain HTTP.
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

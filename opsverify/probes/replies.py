"""Reading an HTTP reply: its shape, and the login that it took."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr, TypeAdapter, ValidationError

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from opsverify.probes.http import Reply

__all__ = ["basic_login", "parse_as"]

T = TypeVar("T")


def parse_as(reply: Reply, adapter: TypeAdapter[T], value: Any) -> T:
    """`value`, which is a part of the reply, in the shape that the adapter knows.

    Raises:
        Unobservable: it has another shape; with the place, and what was sent.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the top level"
        reason = f"{reply.url} sent unexpected JSON at {where}: {first['msg']}; {reply.shown()}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, bounded_text(reason)) from None


def basic_login(username: str | None, password: SecretStr | None) -> dict[str, str]:
    """The header of a login by name and password; none where either is missing."""
    if username is None or password is None:
        return {}
    pair = f"{username}:{password.get_secret_value()}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}

"""Tables of a target file, and the secrets that they name by environment variable."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

__all__ = ["EnvSecret", "Table"]


def _from_environment(name: Any) -> Any:
    if isinstance(name, SecretStr):
        return name
    if not isinstance(name, str) or not name.isidentifier():
        msg = "must be the NAME of an environment variable (never the secret itself)"
        raise ValueError(msg)
    value = os.environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        msg = f"environment variable {name} {state}; run: export {name}=…"
        raise ValueError(msg)
    return value


EnvSecret = Annotated[SecretStr, BeforeValidator(_from_environment)]
"""A secret that a target names by its environment variable; resolved when the file is read."""


class Table(BaseModel):
    """A table of a target file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

"""Baseline of the services: the replicas and images that somebody has accepted as right, in a file of the user's state folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, ValidationError

from opsverify.model.observation import ErrorKind, Observed, Unobservable
from opsverify.run.lock import state_folder, write_whole
from systems.bzzz.record_file import record_bytes
from systems.bzzz.services.target import ExpectedService

if TYPE_CHECKING:
    from pathlib import Path

    from systems.bzzz.services.target import ServicesTarget

__all__ = ["Accepted", "accepted_path", "read_accepted", "write_accepted"]

_FOLDER = "bzzz-services"


class Accepted(Observed):
    """The services as they were when somebody accepted them."""

    at: AwareDatetime
    services: dict[str, ExpectedService]


def accepted_path(target: ServicesTarget) -> Path:
    """Where the record of this manager is."""
    return state_folder() / _FOLDER / f"{hashlib.sha256(target.manager.encode()).hexdigest()[:16]}.json"


def write_accepted(target: ServicesTarget, accepted: Accepted) -> Path:
    """Write it down, whole or not at all; returns where."""
    path = accepted_path(target)
    write_whole(path, accepted.model_dump_json(indent=1))
    return path


def read_accepted(target: ServicesTarget) -> Accepted | None:
    """What was accepted last; None where nothing ever was. Raises Unobservable: the file cannot be read, or is damaged."""
    path = accepted_path(target)
    content = record_bytes(path)
    if content is None:
        return None
    try:
        return Accepted.model_validate_json(content)
    except ValidationError as error:
        told = f"{path} is damaged: {error.errors()[0]['msg']}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None

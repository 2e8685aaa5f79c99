"""The last successful restore of a target's backups, as it is written down: in a file of the user's state folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import AwareDatetime, ValidationError

from opsverify.model.observation import ErrorKind, Observed, Unobservable
from opsverify.run.lock import state_folder, write_whole
from systems.bzzz.record_file import record_bytes

if TYPE_CHECKING:
    from systems.bzzz.section import BzzzSection

__all__ = ["RestoreRecord", "read_record", "record_path", "write_record"]

_FOLDER = "bzzz-restores"


class RestoreRecord(Observed):
    """A restore that went well: when it ended, which dump of which age, for how many seconds, tables and rows found."""

    at: AwareDatetime
    dump: str
    written: AwareDatetime
    took_s: float
    tables: int
    rows: int


def record_path(section: BzzzSection) -> Path:
    """Where the record of this target is: the file that it names, or one by its database's and its backups' address."""
    backups = section.backups
    if backups is not None and backups.restoring.record is not None:
        return Path(backups.restoring.record)
    parts = urlsplit(section.database.url if section.database else "")
    identity = f"{parts.hostname}:{parts.port or 5432}{parts.path} {backups.host if backups else ''}"
    return state_folder() / _FOLDER / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


def write_record(section: BzzzSection, record: RestoreRecord) -> Path:
    """Write it down, whole or not at all; returns where."""
    path = record_path(section)
    write_whole(path, record.model_dump_json(indent=1))
    return path


def read_record(section: BzzzSection) -> RestoreRecord | None:
    """The last successful restore; None where none was ever written down.

    Raises:
        Unobservable: the file cannot be read, or is damaged.
    """
    path = record_path(section)
    content = record_bytes(path)
    if content is None:
        return None
    try:
        return RestoreRecord.model_validate_json(content)
    except ValidationError as error:
        told = f"{path} is damaged: {error.errors()[0]['msg']}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None

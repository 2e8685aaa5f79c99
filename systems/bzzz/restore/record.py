"""Record of the last successful restore of a target's backups, in the user's state folder."""

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
    """A successful restore: when it ended, which dump of which time, how many seconds it took, its tables and rows."""

    at: AwareDatetime
    dump: str
    written: AwareDatetime
    took_s: float
    tables: int
    rows: int


def record_path(section: BzzzSection) -> Path:
    """The file of this target's record: the one that it names, or one named by its database's and backups' address."""
    backups = section.backups
    if backups is not None and backups.restoring.record is not None:
        return Path(backups.restoring.record)
    parts = urlsplit(section.database.url if section.database else "")
    identity = f"{parts.hostname}:{parts.port or 5432}{parts.path} {backups.host if backups else ''}"
    return state_folder() / _FOLDER / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


def write_record(section: BzzzSection, record: RestoreRecord) -> Path:
    """Write the record atomically; returns its path."""
    path = record_path(section)
    write_whole(path, record.model_dump_json(indent=1))
    return path


def read_record(section: BzzzSection) -> RestoreRecord | None:
    """The last successful restore; None where there is none on record.

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
        message = f"{path} is damaged: {error.errors()[0]['msg']}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None

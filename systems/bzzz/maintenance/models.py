"""Models of maintenance: the last restore, and work done by hand."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed
from systems.bzzz.restore.record import RestoreRecord

__all__ = ["DoneByHand", "LastRestore"]


class LastRestore(Observed):
    """The last successful restore of a backup, None where there is none on record; `record` is the file."""

    record: str
    last: RestoreRecord | None


class DoneByHand(Observed):
    """When each item of the maintenance lists that a person has to do was last done; `record` is the file."""

    record: str
    done: dict[str, AwareDatetime]

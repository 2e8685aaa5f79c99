"""What is seen of maintenance that was done."""

from __future__ import annotations

from pydantic import AwareDatetime

from opsverify.model.observation import Observed
from systems.bzzz.restore.record import RestoreRecord

__all__ = ["DoneByHand", "LastRestore"]


class LastRestore(Observed):
    """The last restore of a backup that went well, None where none was ever written down; `record` is where."""

    record: str
    last: RestoreRecord | None


class DoneByHand(Observed):
    """When each item of the maintenance lists that a person has to do was last done; `record` is where it stands."""

    record: str
    done: dict[str, AwareDatetime]

"""Record of maintenance by hand: a JSON file of item → time, written by the person who did it."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from systems.bzzz.maintenance.models import DoneByHand
from systems.bzzz.record_file import record_bytes

__all__ = ["done_by_hand"]

_FORM: TypeAdapter[dict[str, AwareDatetime]] = TypeAdapter(dict[str, AwareDatetime])


def done_by_hand(record: str | None) -> DoneByHand:
    """Read the record.

    Raises:
        Unobservable: the target names none, or it cannot be read, or is of another format.
    """
    if record is None:
        message = (
            'the target names no record of maintenance by hand; add [bzzz.backups] maintenance = "FILE.json"'
        )
        raise Unobservable(ErrorKind.PRECONDITION, message)
    record_source(record)
    content = record_bytes(Path(record))
    if content is None:
        raise Unobservable(ErrorKind.EMPTY, f"no file {record}: no maintenance was ever recorded")
    try:
        return DoneByHand(record=record, done=_FORM.validate_json(content))
    except ValidationError as error:
        message = (
            f'{record} is not of the format {{"item": "2026-01-31T12:00:00Z"}}: {error.errors()[0]["msg"]}'
        )
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message) from None

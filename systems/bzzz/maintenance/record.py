"""When a person did what no program can verify: a JSON file of item → moment, written by whoever did it."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from systems.bzzz.maintenance.models import DoneByHand
from systems.bzzz.record_file import record_bytes

__all__ = ["done_by_hand"]

_FORM: TypeAdapter[dict[str, AwareDatetime]] = TypeAdapter(dict[str, AwareDatetime])


def done_by_hand(record: str | None) -> DoneByHand:
    """What the record says.

    Raises:
        Unobservable: the target names none, or it cannot be read, or is of another form.
    """
    if record is None:
        told = 'the target does not say where maintenance by hand is written down; add [bzzz.backups] maintenance = "FILE.json"'
        raise Unobservable(ErrorKind.PRECONDITION, told)
    record_source(record)
    content = record_bytes(Path(record))
    if content is None:
        raise Unobservable(ErrorKind.EMPTY, f"there is no {record}: nothing was ever written down")
    try:
        return DoneByHand(record=record, done=_FORM.validate_json(content))
    except ValidationError as error:
        told = f'{record} is not of the form {{"item": "2026-01-31T12:00:00Z"}}: {error.errors()[0]["msg"]}'
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, told) from None

"""Format of Tamiyo's field-report log: length-prefixed FieldReport records. Pure; client and twin share it.

A record is a uint32 (little-endian) and that many bytes. There is no checksum: a flipped bit that leaves a report
decodable cannot be seen.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from systems.esper.leyline import leyline_pb2 as leyline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ReportReader", "encode_report", "outcome_name", "read_all", "stored_reports"]

_LENGTH = struct.Struct("<I")
_LONGEST = 64 * 1024
"""A report has some 130 bytes; a length beyond this is garbage."""
_START = re.compile(rb"(?=..\x00\x00\x08[\x01-\x7f]\x12)", re.DOTALL)
"""How every record begins: a length below 64 KiB, then the fields version and report_id."""
_START_BYTES = 7
_SHOWN = 20
_MOST_TRIES = 20_000
"""Most attempts to decode a possible record while searching for one, so that no log can keep us busy."""
_PREFIX = "FIELD_REPORT_OUTCOME_"


def encode_report(report: leyline.FieldReport) -> bytes:
    """One record of the log."""
    payload = report.SerializeToString()
    return _LENGTH.pack(len(payload)) + payload


def outcome_name(report: leyline.FieldReport) -> str:
    """The outcome in lower case, as Nissa's counter names it, or its bare number."""
    value = leyline.FieldReportOutcome.DESCRIPTOR.values_by_number.get(report.outcome)
    return str(int(report.outcome)) if value is None else value.name.removeprefix(_PREFIX).lower()


class ReportReader:
    """Reads a log page by page in bounded memory: counts the records that decode, and the offsets of bytes that do not.

    `garbage` are (offset, bytes) of stretches that hold no record, the first of them; `oldest` and `newest` the
    earliest time of issue and that of the last record.
    """

    def __init__(self) -> None:
        self.records = 0
        self.outcomes: Counter[str] = Counter()
        self.newest: datetime | None = None
        self.oldest: datetime | None = None
        self.garbage: list[tuple[int, int]] = []
        self.garbage_count = 0
        self._buffer = b""
        self._offset = 0  # of the buffer's first byte in the log
        self._bad_from: int | None = None
        self._tries = 0

    @property
    def offset(self) -> int:
        """How much of the log was fed."""
        return self._offset + len(self._buffer)

    @property
    def torn_at(self) -> int | None:
        """Where an unfinished record begins, or None where the log ends with a record's end."""
        return self._offset if self._buffer and self._bad_from is None else None

    def feed(self, page: bytes) -> None:
        """Take the next bytes of the log."""
        self._buffer += page
        at = 0
        while True:
            size = self._record_at(at) if self._bad_from is None else None
            if size is None:
                begin = self._next_record(at if self._bad_from is not None else at + 1, at)
                if begin is None:
                    break
                self._close_garbage(self._offset + begin)
                at = begin
            elif size == 0:  # unfinished
                break
            else:
                at += size
        self._offset, self._buffer = self._offset + at, self._buffer[at:]
        if self._bad_from is not None and len(self._buffer) > _LONGEST + _START_BYTES:
            # A record that began before this would have ended by now.
            drop = len(self._buffer) - _LONGEST - _START_BYTES
            self._offset, self._buffer = self._offset + drop, self._buffer[drop:]

    def finish(self) -> None:
        """The log has ended: what was left over is garbage, or a torn tail (`torn_at`)."""
        if self._bad_from is None and self._buffer:
            # A torn record with others appended: its length covers those too.
            begin = self._next_record(1, 0)
            if begin is not None:
                self._close_garbage(self._offset + begin)
                self._offset, self._buffer = self._offset + begin, self._buffer[begin:]
                self.feed(b"")
                self.finish()
                return
            self._bad_from = None
        if self._bad_from is not None:
            self._close_garbage(self.offset)
            self._offset, self._buffer = self.offset, b""

    def _record_at(self, at: int) -> int | None:
        """Size of the record at `at`, 0 where it is not finished, None where there is none; a whole one is counted."""
        if len(self._buffer) - at < _LENGTH.size:
            return 0
        (length,) = _LENGTH.unpack_from(self._buffer, at)
        if not 0 < length <= _LONGEST:
            return None
        begin = at + _LENGTH.size
        if len(self._buffer) - begin < length:
            return 0
        report = _decoded(self._buffer[begin : begin + length])
        if report is None:
            return None
        self._count(report)
        return _LENGTH.size + int(length)

    def _next_record(self, begin: int, bad_from: int) -> int | None:
        """Where the next whole record begins at or after `begin`; what lies before it is garbage from `bad_from` on."""
        if self._bad_from is None:
            self._bad_from = self._offset + bad_from
        for match in _START.finditer(self._buffer, begin):
            (length,) = _LENGTH.unpack_from(self._buffer, match.start())
            body_at = match.start() + _LENGTH.size
            body = self._buffer[body_at : body_at + length]
            if len(body) < length or self._tries > _MOST_TRIES:
                continue
            self._tries += 1
            if _decoded(body) is not None:
                return match.start()
        return None

    def _close_garbage(self, end: int) -> None:
        if self._bad_from is not None and end > self._bad_from:
            self.garbage_count += 1
            if len(self.garbage) < _SHOWN:
                self.garbage.append((self._bad_from, end - self._bad_from))
        self._bad_from = None

    def _count(self, report: leyline.FieldReport) -> None:
        self.records += 1
        self.outcomes[outcome_name(report)] += 1
        issued = report.issued_at.ToDatetime(tzinfo=UTC)
        self.oldest = issued if self.oldest is None else min(self.oldest, issued)
        self.newest = issued


def read_all(pages: Iterable[bytes]) -> ReportReader:
    """A reader that was fed all of these pages, and finished."""
    reader = ReportReader()
    for page in pages:
        reader.feed(page)
    reader.finish()
    return reader


def stored_reports(content: bytes) -> Iterator[tuple[datetime, int]]:
    """Time of issue and size of each record from the log's begin, up to the first that does not decode."""
    at = 0
    while len(content) - at >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(content, at)
        report = _decoded(content[at + _LENGTH.size : at + _LENGTH.size + length])
        if report is None or len(content) - at < _LENGTH.size + length:
            return
        yield report.issued_at.ToDatetime(tzinfo=UTC), _LENGTH.size + length
        at += _LENGTH.size + length


def _decoded(payload: bytes) -> leyline.FieldReport | None:
    try:
        report = leyline.FieldReport.FromString(payload)
        report.issued_at.ToDatetime()
    except (DecodeError, ValueError, OverflowError):
        return None
    return report if report.report_id and report.HasField("issued_at") else None

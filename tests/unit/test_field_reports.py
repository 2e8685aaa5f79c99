"""The field-report log: whatever is cut, torn, overwritten or followed by more, what decodes is counted and the rest is named."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.esper.twin.field_reports import FieldReportLog
from systems.esper.forge.field_reports import ReportReader, encode_report, read_all, stored_reports
from systems.esper.leyline import leyline_pb2 as leyline

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def report(number: int, issued: datetime = NOON) -> leyline.FieldReport:
    """Build a report as the program does, with its repeating ids."""
    return leyline.FieldReport(
        version=1,
        report_id=f"field-report-{number}",
        command_id="6f1c2f54-6a0e-4a3e-9a0d-3a8f2f6f9d11",
        training_run_id="training-run",
        seed_id="seed-1",
        blueprint_id="BP001",
        outcome=leyline.FIELD_REPORT_OUTCOME_SUCCESS,
        metrics={"loss_delta": -0.01},
        observation_window_epochs=1,
        issued_at=issued + timedelta(seconds=number),
        tamiyo_policy_version="policy-stub",
    )


RECORDS = [encode_report(report(n)) for n in range(6)]
LOG = b"".join(RECORDS)
ENDS = {sum(map(len, RECORDS[:n])): n for n in range(len(RECORDS) + 1)}


def facts(read: ReportReader) -> tuple[int, list[tuple[int, int]], int | None]:
    """Records, garbage, and where the tail is torn."""
    return read.records, read.garbage, read.torn_at


def test_a_whole_log_is_read_to_its_end() -> None:
    """Every record is counted, with its outcome and its time."""
    read = read_all([LOG])
    assert facts(read) == (6, [], None)
    assert read.outcomes == {"success": 6}
    assert (read.oldest, read.newest) == (NOON, NOON + timedelta(seconds=5))
    assert read.offset == len(LOG)


@given(st.integers(0, len(LOG)))
def test_a_log_cut_at_any_byte_is_torn_or_whole(cut: int) -> None:
    """A cut log has the records before the cut; it is torn where the last record begins, unless it ends with one."""
    read = read_all([LOG[:cut]])
    begin = max(end for end in ENDS if end <= cut)
    assert facts(read) == (ENDS[begin], [], None if begin == cut else begin)


@given(st.lists(st.integers(0, len(LOG)), max_size=8))
def test_pages_do_not_matter(cuts: list[int]) -> None:
    """However a log is cut into pages, it reads the same."""
    spoilt = LOG[:150] + b"\xff" * 30 + LOG[180:]
    edges = [0, *sorted(cuts), len(spoilt)]
    pages = [spoilt[a:b] for a, b in pairwise(edges)]
    assert facts(read_all(pages)) == facts(read_all([spoilt]))


@given(st.integers(1, len(LOG) - 1), st.integers(1, 40))
def test_what_follows_garbage_is_found_again(at: int, size: int) -> None:
    """Inserted garbage costs at most the record that it tears, and its offset is named."""
    read = read_all([LOG[:at] + b"\xff" * size + LOG[at:]])
    begin = max(end for end in ENDS if end <= at)
    assert read.records >= len(RECORDS) - 1
    if (
        ENDS[begin] == len(RECORDS) - 1 and read.torn_at is not None
    ):  # the last record's length became one that is possible
        assert (read.garbage, read.torn_at) == ([], begin)
    elif read.records < len(RECORDS) or at in ENDS:
        assert [offset for offset, _ in read.garbage] == [begin]
        assert read.torn_at is None


@pytest.mark.parametrize("cut", [1, 3, 5, 60, 120])
def test_a_torn_record_followed_by_more_is_garbage(cut: int) -> None:
    """A record that was torn and then appended to is named, and everything after it is counted."""
    read = read_all([LOG[:-cut], RECORDS[0], RECORDS[1]])
    assert read.records == len(RECORDS) - 1 + 2
    assert read.garbage == [(len(LOG) - len(RECORDS[-1]), len(RECORDS[-1]) - cut)]
    assert read.torn_at is None


@given(st.binary(max_size=3000))
def test_no_bytes_make_reading_raise(content: bytes) -> None:
    """Any bytes are read to their end: as records, as garbage, or as an unfinished tail."""
    read = read_all([content[:100], content[100:]])
    told = sum(size for _, size in read.garbage)
    tail = 0 if read.torn_at is None else read.offset - read.torn_at
    assert read.offset == len(content)
    assert told + tail <= len(content)
    assert read.records or read.garbage or tail == len(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x00" * 4_000_000, id="zeros"),
        pytest.param(b"\x40\xff\x00\x00\x08\x01\x12" * 500_000, id="what looks like a record everywhere"),
        pytest.param(os.urandom(4_000_000), id="noise"),
    ],
)
def test_a_log_of_garbage_is_over_soon_and_in_little_memory(content: bytes) -> None:
    """Megabytes without a record keep neither time nor memory: what is behind is let go."""
    reader = ReportReader()
    for at in range(0, len(content), 1 << 20):
        reader.feed(content[at : at + (1 << 20)])
    assert len(reader._buffer) < 1 << 18
    reader.finish()
    assert reader.garbage_count + (reader.torn_at is not None) >= 1


def test_a_report_without_an_id_is_no_record() -> None:
    """A message that decodes and says nothing (an empty one too) is garbage, not a report."""
    nameless = encode_report(leyline.FieldReport(version=1, issued_at=NOON))
    read = read_all([RECORDS[0], nameless, RECORDS[1]])
    assert facts(read) == (2, [(len(RECORDS[0]), len(nameless))], None)


def test_an_outcome_of_a_later_version_is_a_number() -> None:
    """An outcome that this version does not know is counted by its number."""
    read = read_all([encode_report(leyline.FieldReport(report_id="x", outcome=9, issued_at=NOON))])  # type: ignore[arg-type]
    assert read.outcomes == {"9": 1}


def test_the_twin_appends_whole_records(tmp_path: Path) -> None:
    """What the twin's log writes reads back, also after a restart."""
    now = datetime.now(UTC)
    log = FieldReportLog(tmp_path / "tamiyo" / "field_reports.log")
    log.append(report(0, now))
    FieldReportLog(tmp_path / "tamiyo" / "field_reports.log").append(report(1, now))
    written = (tmp_path / "tamiyo" / "field_reports.log").read_bytes()
    assert facts(read_all([written])) == (2, [], None)
    assert [size for _, size in stored_reports(written)] == [len(written) // 2] * 2


def test_the_twin_forgets_after_a_day(tmp_path: Path) -> None:
    """Reports older than the retention are rewritten away, at the start and with each append, under the same name."""
    path, now = tmp_path / "field_reports.log", datetime.now(UTC)
    path.write_bytes(encode_report(report(0, now - timedelta(hours=25))) + encode_report(report(1, now)))
    FieldReportLog(path).append(report(2, now))
    read = read_all([path.read_bytes()])
    assert (read.records, read.oldest) == (2, now.replace() + timedelta(seconds=1))
    assert not path.with_name("field_reports.tmp").exists()

"""What is written down of maintenance: when it is in time, and records that are none."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.maintenance import criteria as maintenance
from opsverify.model.observation import ErrorKind, Unobservable
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.maintenance.lists import BY_HAND, PERIODS
from systems.bzzz.maintenance.models import DoneByHand, LastRestore
from systems.bzzz.maintenance.record import done_by_hand
from systems.bzzz.restore.record import RestoreRecord, read_record
from systems.bzzz.section import BzzzSection

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
DAY, A_BIT = timedelta(days=1), timedelta(seconds=1)
AHEAD = LIMITS.clock_ahead.duration
ITEMS = ("look at it", "look again")


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (timedelta(0), "lately"),
        (31 * DAY - A_BIT, "lately"),
        (31 * DAY, "lately"),
        (31 * DAY + A_BIT, "long-ago"),
        (-AHEAD, "lately"),
        (-AHEAD - A_BIT, "from-the-future"),
        (-3650 * DAY, "from-the-future"),
        (None, "never"),
    ],
)
def test_a_restore_counts_for_a_month(before: timedelta | None, reason: str) -> None:
    """A restore of the last 31 days counts; one of a time to come would count for ever, and does not."""
    last = None
    if before is not None:
        last = RestoreRecord(at=NOW - before, dump="/b/d", written=NOW, took_s=2.0, tables=3, rows=40)
    found = maintenance.restored_lately(LastRestore(record="/r.json", last=last), NOW, LIMITS)
    assert (found.holds, found.reason) == (reason == "lately", reason)
    assert "/r.json" in found.details[0]


@pytest.mark.parametrize(
    ("took_s", "reason"),
    [
        (7199.9, "lately"),
        (7200.0, "lately"),
        (7200.1, "too-slow"),
        (float("nan"), "too-slow"),
    ],
)
def test_a_restore_that_took_too_long_does_not_count(took_s: float, reason: str) -> None:
    """A restore counts that took no longer than a P0 may last, by the limit of the one who judges."""
    last = RestoreRecord(at=NOW, dump="/b/d", written=NOW, took_s=took_s, tables=3, rows=40)
    found = maintenance.restored_lately(LastRestore(record="/r.json", last=last), NOW, LIMITS)
    assert (found.holds, found.reason) == (reason == "lately", reason)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (timedelta(0), 7 * DAY, "done"),
        (timedelta(0), 7 * DAY + A_BIT, "overdue"),
        (timedelta(0), None, "overdue"),
        (None, None, "overdue"),
        (timedelta(0), -AHEAD, "done"),
        (timedelta(0), -DAY, "from-the-future"),
        (99 * DAY, -DAY, "overdue"),
    ],
)
def test_each_item_is_done_within_the_period(
    first: timedelta | None, second: timedelta | None, reason: str
) -> None:
    """One item that is late, missing or dated ahead fails its list, and each item is told with its own age."""
    done = {i: NOW - b for i, b in zip(ITEMS, (first, second), strict=True) if b is not None}
    found = maintenance.done_in_time(DoneByHand(record="r", done=done), ITEMS, 7 * DAY, NOW, LIMITS)
    assert (found.holds, found.reason) == (reason == "done", reason)
    assert [item in line for item, line in zip(ITEMS, found.details, strict=False)] == [True, True]


def test_a_list_of_nothing_is_not_done() -> None:
    """Where nothing is listed nobody has done anything."""
    found = maintenance.done_in_time(DoneByHand(record="r", done={}), (), 7 * DAY, NOW, LIMITS)
    assert (found.holds, found.reason) == (None, "nothing-listed")


def test_the_lists_have_a_period_and_something_to_do() -> None:
    """Each list that is judged by the day has items; an item of another list does nothing for it."""
    assert BY_HAND.keys() == PERIODS.keys()
    for period, items in BY_HAND.items():
        others = {i: NOW for p, of in BY_HAND.items() if p != period for i in of}
        seen = DoneByHand(record="r", done=others)
        found = maintenance.done_in_time(seen, items, PERIODS[period], NOW, LIMITS)
        assert found.observed == f"overdue: {', '.join(items)}"


GOOD = "2026-01-31T12:00:00Z"


def written(folder: Path, content: bytes | str) -> str:
    """A record of this content."""
    path = folder / "maintenance.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_record_is_items_and_moments(tmp_path: Path) -> None:
    """Moments with any zone are understood; an empty record has nothing done."""
    record = written(tmp_path, json.dumps({"a": GOOD, "b": "2026-01-31T14:00:00+02:00"}))
    done = done_by_hand(record).done
    assert done["a"] == done["b"] == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert done_by_hand(written(tmp_path, "{}")).done == {}


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '"2026-01-31"', b"\xff\xfe", b"\x00" * 70_000, "[" * 60_000,
        '{"a": "2026-01-31T12:00:00"}', '{"a": "2026-01-31"}', '{"a": "yesterday"}', '{"a": null}', '{"a": true}',
        '{"a": ["2026-01-31T12:00:00Z"]}', '{"a": {"at": "2026-01-31T12:00:00Z"}}', '{"a": 1e999}', '{"a": NaN}',
        '{"a": "2026-02-31T12:00:00Z"}', f'{{"a": "{GOOD}"}} more',
    ],
)  # fmt: skip
def test_a_record_of_another_form_is_not_judged(tmp_path: Path, content: bytes | str) -> None:
    """A moment without a zone, of another type, or a record that is no JSON: UNKNOWN, with the form that is wanted."""
    with pytest.raises(Unobservable, match="is not of the form") as seen:
        done_by_hand(written(tmp_path, content))
    assert seen.value.kind is ErrorKind.UNEXPECTED_REPLY
    assert len(seen.value.seen) < 500


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """No record named, none there, a folder in its place: each says so."""
    for record, kind in (
        (None, ErrorKind.PRECONDITION),
        (str(tmp_path / "none"), ErrorKind.EMPTY),
        (str(tmp_path), ErrorKind.DENIED),
        (f"{tmp_path}/a\0b", ErrorKind.UNEXPECTED_REPLY),
    ):
        with pytest.raises(Unobservable) as seen:
            done_by_hand(record)
        assert seen.value.kind is kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(GOOD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for any number of records."""
    return tmp_path_factory.mktemp("records")


@given(content=st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_record_is_read_or_refused(folder: Path, content: bytes) -> None:
    """Whatever a record holds, it is moments or is refused in our own words; the same for the record of a restore."""
    record = written(folder, content)
    section = BzzzSection.model_validate(
        {"backups": {"host": "local://", "restoring": {"record": record}}, "absent": {}}
    )
    reads: tuple[Callable[[], object], ...] = (lambda: done_by_hand(record), lambda: read_record(section))
    kinds = []
    for read in reads:
        try:
            read()
        except Unobservable as refused:
            kinds.append(refused.kind)
    assert set(kinds) <= {ErrorKind.UNEXPECTED_REPLY}


def test_a_record_that_is_a_pipe_or_endless_is_refused(folder: Path) -> None:
    """What is no regular file is not read: a pipe would hold the run, /dev/zero would fill its memory."""
    pipe, endless = folder / "pipe", folder / "endless"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        backups = {"host": "local://", "restoring": {"record": str(path)}}
        with pytest.raises(Unobservable, match="no regular file"):
            done_by_hand(str(path))
        with pytest.raises(Unobservable, match="no regular file"):
            read_record(BzzzSection.model_validate({"backups": backups, "absent": {}}))

"""Archived WAL by its names: which segments a recovery needs, over any number of timelines, and which are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems.bzzz.backups.timelines import History, descent, lsn, parsed, stretches
from systems.bzzz.backups.wal_files import missing_segments, segment_name, segment_number, wal_range

if TYPE_CHECKING:
    from collections.abc import Mapping


SIZE = 1 << 20
FIRST, BASE_END = 3, 5 * SIZE + 40
SIZES = st.sampled_from([1 << power for power in range(20, 31)])


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**33), SIZES)
def test_a_segment_is_found_again_by_its_name(timeline: int, number: int, size: int) -> None:
    """Name and number are each other's reverse for every size of a segment."""
    assert segment_number(segment_name(timeline, number, size), size) == (timeline, number)


@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_what_is_missing_is_counted_and_the_first_named(
    have: set[int], first: int, last: int, most: int
) -> None:
    """The numbers that are not there are counted exactly, and the first few of them named in their order."""
    gone = [number for number in range(first, last + 1) if number not in have]
    assert missing_segments(have, first, last, most) == (gone[:most], len(gone))


def test_a_gap_of_a_whole_archive_takes_no_time() -> None:
    """Billions of missing segments are counted without being listed."""
    named, count = missing_segments({2**40}, 0, 2**40, 3)
    assert (named, count) == ([0, 1, 2], 2**40)


def lost(
    have: Mapping[int, set[int]], histories: Mapping[int, History], timeline: int = 1
) -> list[tuple[int, int]]:
    """Timeline and number of what a recovery from the base backup misses in an archive."""
    needed = (BASE_END - 1) // SIZE
    taken = stretches(descent(histories, timeline, BASE_END), have, FIRST, needed, SIZE)
    return [
        (its, number)
        for its, begin, last in taken
        for number in missing_segments(have.get(its, set()), begin, last, 99)[0]
    ]


def test_one_timeline_is_needed_from_the_backups_start_to_its_newest() -> None:
    """What the base backup itself needs is missing also at the archive's end; what came before it is not needed."""
    assert lost({1: {3, 4, 5, 6}}, {}) == []
    assert lost({1: {4, 5, 7}}, {}) == [(1, 3), (1, 6)]
    assert lost({1: {0, 3}}, {}) == [(1, 4), (1, 5)]
    assert lost({}, {}) == [(1, 3), (1, 4), (1, 5)]


def test_the_old_timeline_fills_no_gap_after_the_switch() -> None:
    """After a promotion the old primary's further segments, of the same numbers, are no part of what is recovered."""
    switched = {2: ((1, 8 * SIZE + 7),)}
    old = {3, 4, 5, 6, 7, 8, 9, 10, 11}
    assert lost({1: old, 2: {8, 9, 10}}, switched) == []
    assert lost({1: old, 2: {8, 10}}, switched) == [(2, 9)]
    assert lost({1: old, 2: {9}}, switched) == [(2, 8)]
    assert lost({1: old - {7}, 2: {8}}, switched) == [(1, 7)]
    assert lost({1: old - {8, 9}, 2: {8}}, switched) == []


def test_a_timeline_that_has_only_begun_needs_what_came_before_it() -> None:
    """A history without a segment yet: the parent is needed up to the switch."""
    switched = {2: ((1, 8 * SIZE + 7),)}
    assert lost({1: {3, 4, 5, 6, 7}}, switched) == []
    assert lost({1: {3, 4, 5}}, switched) == [(1, 6), (1, 7)]


def test_a_switch_at_a_segments_edge_begins_with_the_next() -> None:
    """PostgreSQL begins the new timeline with the segment that the switch is the first byte of."""
    assert lost({1: {3, 4, 5, 6, 7}, 2: {8}}, {2: ((1, 8 * SIZE),)}) == []


def test_a_branch_from_before_the_backup_is_not_taken() -> None:
    """A timeline that left ours before the backup ended is another recovery's; ours, or the next one, is judged."""
    early, later = ((1, 4 * SIZE),), ((1, 7 * SIZE),)
    have = {1: {3, 4, 5, 6, 9}, 2: {4}, 3: {7, 8}}
    assert lost(have, {2: early}) == [(1, 7), (1, 8)]
    assert lost(have, {2: early, 3: later}) == []
    assert lost(have, {3: later, 4: early}) == []
    assert lost({2: {3, 4, 5}, 3: {7}}, {2: early, 3: later}, timeline=2) == []


@st.composite
def archives(draw: st.DrawFn) -> tuple[dict[int, set[int]], dict[int, History], list[tuple[int, int]]]:
    """An archive without a gap after any number of promotions, with what was written on abandoned timelines, and what
    of it a recovery needs.
    """
    timeline, begin, needed = 1, FIRST, list[tuple[int, int]]()
    have, histories, ancestors = dict[int, set[int]](), dict[int, History](), list[tuple[int, int]]()
    for step in draw(st.lists(st.integers(3, 6), max_size=4)):
        switch = (begin + step) * SIZE + draw(st.integers(0, SIZE - 1))
        stretch = range(begin, switch // SIZE)
        needed += [(timeline, number) for number in stretch]
        have[timeline] = {*stretch, *range(stretch.stop, stretch.stop + draw(st.integers(0, 4)))}
        ancestors.append((timeline, switch))
        timeline, begin = timeline + draw(st.integers(1, 3)), switch // SIZE
        histories[timeline] = tuple(ancestors)
    last = range(begin, begin + draw(st.integers(3, 6)))
    have[timeline] = set(last)
    return have, histories, [*needed, *((timeline, number) for number in last)]


@given(archives(), st.data())
def test_each_segment_that_is_needed_is_missed(
    made: tuple[dict[int, set[int]], dict[int, History], list[tuple[int, int]]], data: st.DataObject
) -> None:
    """A whole archive misses nothing; any one that is needed, but for the newest, is missed by name and no other is."""
    have, histories, needed = made
    assert lost(have, histories) == []
    its, number = gone = data.draw(st.sampled_from(needed[:-1]))
    assert lost(have | {its: have[its] - {number}}, histories) == [gone]


HISTORIES = st.dictionaries(
    st.integers(0, 9), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**64)), max_size=5).map(tuple)
)


@given(st.dictionaries(st.integers(0, 9), st.sets(st.integers(0, 99))), HISTORIES)
def test_histories_that_contradict_each_other_break_nothing(
    have: dict[int, set[int]], histories: dict[int, History]
) -> None:
    """Whatever histories say, the base backup's own beginning is asked for, and the judging ends."""
    taken = stretches(descent(histories, 1, BASE_END), have, FIRST, 5, SIZE)
    assert taken[0][:2] == (1, FIRST)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b"1\t0/A000028\tno recovery target specified\n", ((1, 0xA000028),)),
        (b"# a comment\n\n1\t0/A0\tx\r\n2\t1/0\tbefore 2026-01-01 00:00:00+00\n", ((1, 0xA0), (2, 1 << 32))),
        (b"  1 \t 0/A0", ((1, 0xA0),)),
        (b"", ()),
        (b"\x00" * 99, ()),
        (b"1\t0/XYZ\tx\n", ()),
        (b"99999999999\t0/1\t\n", ()),
    ],
)
def test_a_history_is_read_as_postgresql_writes_it(text: bytes, meant: History) -> None:
    """Parent, place and reason by line; comments and what is none of it are passed over."""
    assert parsed(text) == meant


@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    """A history or a manifest of any bytes is read without an error."""
    assert all(timeline < 10**10 for timeline, _ in parsed(content))
    assert wal_range(content) is None


def test_the_last_range_of_a_manifest_counts() -> None:
    """A manifest's end names the WAL that its backup needs; what stands in a file's name before it does not."""
    one = b'{ "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" }'
    two = b'{ "Timeline": 2, "Start-LSN": "1/3000028", "End-LSN": "1/3000100" }'
    assert wal_range(one + b"\n" + two) == (2, lsn(b"1/3000028"), lsn(b"1/3000100"))
    assert wal_range(one[:-20]) is None

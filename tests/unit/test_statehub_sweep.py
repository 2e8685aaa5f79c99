"""Any JSON as a progress reply gives values or says what came instead; the known variants mean the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.observation import ErrorKind, Unobservable
from systems.statehub.sweeps.models import Gaps, Repos, SweepEvent
from systems.statehub.sweeps.results import parse_reply, parse_result

TYPE = "consistency_sweep_remote_all"
DETAIL = {
    "source": "activity-core",
    "lock_skipped": False,
    "exit_code": 0,
    "automation_error": False,
    "assessment_failures": 2,
    "repos_processed": ["a"],
    "skipped_clean": ["b", "c"],
}
EVENT = {"id": "1", "event_type": TYPE, "created_at": "2026-06-21T12:00:09+00:00", "detail": DETAIL}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
near_details = st.fixed_dictionaries({}, optional={k: json_values | st.just(v) for k, v in DETAIL.items()})
near_events = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("1") | st.integers(0, 3) | json_values,
        "created_at": st.just(EVENT["created_at"]) | st.datetimes().map(datetime.isoformat) | json_values,
        "detail": near_details | json_values,
        "event_type": st.just(TYPE) | json_values,
    },
)


def one(event: dict[str, Any]) -> SweepEvent:
    """The only event of a reply with this one."""
    events, _ = parse_reply([event], TYPE, "url")
    return events[0]


@given(
    json_values | st.lists(near_events, max_size=3) | st.fixed_dictionaries({"items": st.lists(near_events)})
)
def test_any_json_gives_values_or_unobservable(body: Any) -> None:
    """Whatever comes, nothing but Unobservable is raised, and what is parsed has a zone and comes once."""
    try:
        events, repeated = parse_reply(body, TYPE, "url")
    except Unobservable as seen:
        told: ErrorKind | None = seen.kind
        events, repeated = (), 0
    else:
        told = None
    assert told in (None, ErrorKind.UNEXPECTED_REPLY)
    assert all(e.at.utcoffset() is not None for e in events)
    assert len({e.id for e in events}) == len(events)
    assert [e.at for e in events] == sorted((e.at for e in events), reverse=True)
    assert repeated >= 0


@pytest.mark.parametrize("body", [[EVENT], {"items": [EVENT]}, {"results": [EVENT], "count": 1}])
def test_a_list_and_an_object_mean_the_same(body: Any) -> None:
    """A list, `items` and `results` are the same reply."""
    assert parse_reply(body, TYPE, "url")[0][0].result.assessment_failures == 2


def test_flat_fields_mean_the_same_as_detail() -> None:
    """Fields in `detail` or beside it, with `detail` null or missing."""
    flat = {**{k: v for k, v in EVENT.items() if k != "detail"}, **DETAIL}
    assert one(flat) == one({**flat, "detail": None}) == one(dict(EVENT))


def test_order_and_repetition_do_not_matter() -> None:
    """Events out of order come newest first, and one that comes twice counts once."""
    later = {**EVENT, "id": "2", "created_at": "2026-06-21T14:15:09+02:00"}
    events, repeated = parse_reply([EVENT, later, EVENT], TYPE, "url")
    assert [e.id for e in events] == ["2", "1"]
    assert repeated == 1
    assert events[0].at == datetime(2026, 6, 21, 12, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "count", "gaps"),
    [
        (3, 3, None),
        ([{"repo": "b", "code": "C-07"}, {"repo": "a", "code": "C-01"}], 2, ("a C-01", "b C-07")),
        ({"a": "C-01"}, 1, ("a C-01",)),
        ([{"repo": "a", "codes": ["C-02", "C-01"]}], 1, ("a C-01", "a C-02")),
        ({"a": ["C-02", "C-01"], "b": []}, 2, ("a C-01", "a C-02")),
        ([], 0, ()),
        (None, None, None),
    ],
)
def test_assessment_failures_are_a_number_or_a_list(
    told: Any, count: int | None, gaps: tuple[str, ...] | None
) -> None:
    """A count, a list and an object by repository are counted alike."""
    result = one({**EVENT, "detail": {**DETAIL, "assessment_failures": told}}).result
    assert result.assessment_failures == count
    assert result.gaps == (None if gaps is None else Gaps(count=len(gaps), names=gaps))


def test_what_is_not_kept_is_counted() -> None:
    """More names than are kept are counted all the same; a number alone names nobody."""
    told = [f"r{n}" for n in range(501)]
    detail = {**DETAIL, "skipped_clean": told, "assessment_failures": told, "repos_processed": 3}
    result = one({**EVENT, "detail": detail}).result
    assert result.skipped_clean
    assert result.gaps
    assert (result.skipped_clean.count, result.skipped_clean.all_named) == (501, False)
    assert (result.gaps.count, result.gaps.all_named) == (501, False)
    assert result.processed == Repos(count=3, names=None)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"created_at": "2026-06-21T12:00:09"}, "no time zone"),
        ({"created_at": None}, "not an instant"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "not an instant"),
        ({"detail": None}, "detail is None"),
        ({"detail": "{}"}, "has no sweep result"),
        ({"id": None}, "not an event with an id"),
        ({"event_type": "note"}, "of type 'note'"),
        ({"detail": {**DETAIL, "exit_code": "0"}}, "exit_code is '0'"),
        ({"detail": {**DETAIL, "exit_code": True}}, "exit_code is True"),
        ({"detail": {**DETAIL, "automation_error": "false"}}, "automation_error is 'false'"),
        ({"detail": {**DETAIL, "lock_skipped": None}}, "lock_skipped is None"),
        ({"detail": {**DETAIL, "source": None}}, "source is None"),
        ({"detail": {**DETAIL, "assessment_failures": 1.5}}, "assessment_failures is 1.5"),
    ],
)
def test_what_cannot_be_understood_is_unobservable(changed: dict[str, Any], told: str) -> None:
    """A field that decides and is missing, of another type, or without a zone: unobservable, naming it."""
    with pytest.raises(Unobservable, match=told):
        one({**EVENT, **changed})


def test_one_id_with_two_contents_is_unobservable() -> None:
    """The same id told twice, differently: nobody knows which is right."""
    with pytest.raises(Unobservable, match="twice with different contents"):
        parse_reply([EVENT, {**EVENT, "detail": {**DETAIL, "exit_code": 3}}], TYPE, "url")


def test_a_lock_skip_needs_no_result() -> None:
    """A sweep that the lock skipped has neither exit code nor automation error to tell."""
    assert parse_result({"lock_skipped": True}, "reply", source=False).exit_code is None

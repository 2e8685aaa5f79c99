"""Who is told what, in whose form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.check_state import CheckStatus, LastNotified, State
from opsverify.model.verdict import Severity
from opsverify.notify import alertmanager, pagerduty, slack, webhook
from opsverify.notify.notification import Notification, due

if TYPE_CHECKING:
    from opsverify.notify.notification import Post

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOSTILE = "<!channel> *bold* & <https://evil.example|click> `x`\n\n• fake"


def notice(state: State = State.DOWN, was: State = State.UP, **changes: Any) -> Notification:
    """A notice of a bulb."""
    fields: dict[str, Any] = {
        "key": "opsverify/abc/L-BLB-1",
        "check": "L-BLB-1",
        "title": "the bulb shines",
        "system": "lamp",
        "subsystem": "bulb",
        "target": "porch",
        "severity": Severity.P1,
        "state": state,
        "was": was,
        "since": NOW - HOUR,
        "reminder": False,
        "expected": "at least 10 lumen",
        "observed": "0 lumen",
        "next_step": "screw in another bulb",
        "respond_within": "1 h",
        "contact": "#porch",
        "overdue": "",
        "run": "r1",
    }
    return Notification(**(fields | changes))


@pytest.mark.parametrize(
    ("state", "told", "hours_ago", "is_due"),
    [
        (State.NEW, None, 0, False),
        (State.UP, None, 0, False),
        (State.DOWN, None, 0, True),
        (State.NO_DATA, None, 0, True),
        (State.FLAPPING, None, 0, True),
        (State.DOWN, State.DOWN, 3.9, False),
        (State.DOWN, State.DOWN, 4, True),
        (State.NO_DATA, State.DOWN, 0, True),
        (State.UP, State.DOWN, 0, True),
        (State.UP, State.UP, 99, False),
        (State.NEW, State.DOWN, 99, False),
        (State.DOWN, State.UP, 0, True),
    ],
)
def test_told_on_change_and_again_while_it_lasts(
    state: State, told: State | None, hours_ago: float, *, is_due: bool
) -> None:
    """A reader hears of trouble, of its end, and of nothing in between but a reminder every four hours."""
    settled, flapping = (State.UP, True) if state is State.FLAPPING else (state, False)
    standing = CheckStatus(since=NOW, settled=settled, flapping=flapping)
    known = LastNotified(told, NOW - timedelta(hours=hours_ago)) if told else None
    assert due(standing, known, NOW, timedelta(hours=4), Severity.P1) is is_due
    frozen = CheckStatus(since=NOW, settled=settled, flapping=flapping, frozen=True)
    assert not due(frozen, known, NOW, timedelta(hours=4), Severity.P1)


@given(st.lists(st.sampled_from([State.UP, State.DOWN, State.NO_DATA, State.NEW]), max_size=30))
def test_nobody_hears_the_same_twice(states: list[State]) -> None:
    """However states follow each other, a reader is told each change from the last that it heard, and ends up knowing."""
    told: LastNotified | None = None
    for state in states:
        if due(CheckStatus(since=NOW, settled=state), told, NOW, HOUR, Severity.P1):
            assert told is None or told.state is not state
            told = LastNotified(state, NOW)
    if states and states[-1] is not State.NEW:
        known = told.state if told else State.UP
        assert known is states[-1]


@pytest.mark.parametrize(
    ("red_ago", "told_ago", "is_due"),
    [(3.9, 1, False), (4, 1, True), (4.5, 0.4, False), (4.5, 0.6, True)],
)
def test_becoming_overdue_is_told_once(red_ago: float, told_ago: float, *, is_due: bool) -> None:
    """A reader hears once more when what it knows of is past its severity's time, before any reminder."""
    standing = CheckStatus(since=NOW, settled=State.DOWN, failures=3, red_since=NOW - red_ago * HOUR)
    assert (
        due(standing, LastNotified(State.DOWN, NOW - told_ago * HOUR), NOW, 9 * HOUR, Severity.P1) is is_due
    )
    assert not due(standing, LastNotified(State.DOWN, NOW - told_ago * HOUR), NOW, 9 * HOUR, Severity.P3)


def test_every_reader_sees_that_it_is_overdue() -> None:
    """Each form says OVERDUE and whom to escalate to, and nothing of it where the time is not over."""
    late = notice(overdue="since 2026-06-01 11:00Z; escalate to #chief")
    for posts in (
        alertmanager.posts("u", {}, [late], NOW, HOUR),
        pagerduty.posts("u", "k", [late]),
        slack.posts("u", {}, [late]),
        webhook.posts("u", {}, [late]),
    ):
        told = json.dumps(one(posts))
        assert "P1 DOWN OVERDUE, was UP" in told
        assert "escalate to #chief" in told
    assert "OVERDUE" not in json.dumps(one(slack.posts("u", {}, [notice()])))


def one(posts: list[Post]) -> Any:
    """The body of the only request, as a receiver reads it."""
    (post,) = posts
    return json.loads(json.dumps(post.body))


def test_alertmanager_takes_both_ends_of_an_alert() -> None:
    """Trouble is an alert that lives for a while, its end the same alert that ends now; nothing that changes is a label."""
    down, blind, up = (
        one(alertmanager.posts("http://am:9093/", {}, [notice(state)], NOW, 8 * HOUR))[0]
        for state in (State.DOWN, State.NO_DATA, State.UP)
    )
    assert down["labels"] == blind["labels"] == up["labels"]
    assert down["labels"]["severity"] == "P1"
    assert (down["startsAt"], down["endsAt"]) == (
        "2026-06-01T11:00:00.000+00:00",
        "2026-06-01T20:00:00.000+00:00",
    )
    assert up["startsAt"] < up["endsAt"] == "2026-06-01T12:00:00.000+00:00"
    assert down["annotations"]["next_step"] == "screw in another bulb"
    (post,) = alertmanager.posts("http://am:9093/", {"authorization": "Bearer x"}, [notice()], NOW, HOUR)
    assert (post.url, post.headers) == ("http://am:9093/api/v2/alerts", {"authorization": "Bearer x"})


def test_pagerduty_opens_and_resolves_one_incident() -> None:
    """Trouble triggers, its end resolves under the same key, and severities have PagerDuty's names."""
    trigger = one(pagerduty.posts(pagerduty.ENQUEUE, "key", [notice(severity=Severity.P0)]))
    resolve = one(pagerduty.posts(pagerduty.ENQUEUE, "key", [notice(State.UP, State.DOWN)]))
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert (trigger["payload"]["severity"], trigger["payload"]["source"]) == ("critical", "porch")
    assert "payload" not in resolve
    long = one(pagerduty.posts(pagerduty.ENQUEUE, "key", [notice(title="x" * 5000)]))
    assert len(long["payload"]["summary"]) == 1024
    assert len(pagerduty.posts(pagerduty.ENQUEUE, "key", [notice(), notice(check="L-BLB-2")])) == 2


def test_slack_says_it_in_one_message() -> None:
    """All that a run has to tell is one message, which says what to do and how many more there are."""
    text = one(slack.posts("http://slack", {}, [notice(), notice(State.UP, State.DOWN, check="L-BLB-2")]))[
        "text"
    ]
    assert "P1 DOWN, was UP: L-BLB-1 the bulb shines on porch, since 2026-06-01 11:00Z" in text
    assert "next: screw in another bulb" in text
    assert text.count("next:") == 1
    many = slack.posts("http://slack", {}, [notice(check=f"L-BLB-{n}") for n in range(50)])
    assert "and 30 more" in one(many)["text"]
    assert len(many[0].checks) == 50


def test_slack_runs_nothing_that_a_target_says() -> None:
    """What a target answers becomes no mention, no link, no formatting and no line of its own."""
    text = one(slack.posts("http://slack", {}, [notice(observed=HOSTILE)]))["text"]
    line = next(line for line in text.splitlines() if "observed" in line)
    assert "fake" in line
    assert not set(line) & set("<>*`")


def test_a_webhook_gets_everything() -> None:
    """The plain webhook has every field, under a version."""
    body = one(webhook.posts("http://hook", {}, [notice(reminder=True)]))
    assert body["version"] == webhook.VERSION
    (told,) = body["notices"]
    assert set(Notification.__slots__) <= set(told)
    assert (told["state"], told["since"], told["reminder"]) == ("DOWN", "2026-06-01T11:00:00+00:00", True)
    assert ", still: L-BLB-1" in told["headline"]


def test_nothing_to_tell_is_no_request() -> None:
    """Without a notice nothing is sent."""
    assert slack.posts("u", {}, []) == webhook.posts("u", {}, []) == pagerduty.posts("u", "k", []) == []
    assert alertmanager.posts("u", {}, [], NOW, HOUR) == []

"""The canary waits for a safe moment, asks once, and follows its sweep by time and source; its rule at the boundaries."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.statehub.sweeps.criteria.manual_canary import canary_worked
from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.http import Reply
from systems.statehub.activity.target import ActivityTarget
from systems.statehub.section import StateHubLimits, StateHubSection
from systems.statehub.sweeps import manual_canary as module
from systems.statehub.sweeps.manual_canary import observe_canary
from systems.statehub.sweeps.models import ManualCanary, Repos, SweepEvent, SweepResult
from tests.unit.statehub_seen import result as plain

if TYPE_CHECKING:
    from systems.statehub.client import StateHubClient

NOW = datetime(2026, 6, 21, 12, 7, tzinfo=UTC)
QUICK: dict[str, Any] = {"canary": 1, "canary_slack": 0.2, "patience": 0.3}
LIMITS = StateHubLimits()
DONE: dict[str, Any] = {
    "source": "opsverify-canary", "lock_skipped": False, "automation_error": False, "exit_code": 0,
    "skipped_clean": ["a"], "assessment_failures": 2,
}  # fmt: skip


def result(**fields: Any) -> SweepResult:
    """A healthy result, but for `fields`."""
    healthy: dict[str, Any] = {
        "source": "opsverify-canary",
        "lock_skipped": False,
        "exit_code": 0,
        "assessment_failures": 2,
        "skipped_clean": Repos(count=1, names=("a",)),
    }
    return plain(**(healthy | fields))


def seen(**fields: Any) -> ManualCanary:
    """A canary that worked, but for `fields`."""
    event = SweepEvent(id="e1", at=NOW, result=result())
    healthy: dict[str, Any] = {
        "posted": NOW, "took": timedelta(seconds=3), "reply": result(), "no_reply": "", "events": (event,),
        "others": (), "waited": timedelta(0),
    }  # fmt: skip
    healthy |= fields
    return ManualCanary(**({"count": len(healthy["events"]) + len(healthy["others"])} | healthy))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "worked"),
        ({"took": timedelta(seconds=300)}, "worked"),
        ({"took": timedelta(seconds=300.1)}, "over-budget"),
        ({"reply": result(took_s=301.0)}, "over-budget"),
        ({"took": timedelta(seconds=310), "reply": result(took_s=299.0)}, "worked"),
        ({"took": timedelta(hours=1), "reply": result(took_s=3.0)}, "over-budget"),
        ({"reply": None, "no_reply": "silent: nothing"}, "no-reply"),
        ({"reply": None, "no_reply": "server-error: 504", "events": ()}, "no-reply"),
        ({"reply": result(automation_error=True, error="C-00")}, "automation-error"),
        ({"reply": result(exit_code=2)}, "exit-code"),
        ({"events": ()}, "no-event"),
        ({"events": (SweepEvent(id="e1", at=NOW, result=result()),) * 2}, "event-doubled"),
        (
            {"events": (SweepEvent(id="e1", at=NOW, result=result(assessment_failures=3)),)},
            "differs",
        ),
        ({"reply": result(assessment_failures=20), "events": ()}, "no-event"),
        ({"reply": result(lock_skipped=True, exit_code=None), "events": ()}, "lock-skipped"),
        ({"posted": NOW + timedelta(seconds=4.9)}, "worked"),
        ({"posted": NOW + timedelta(seconds=5)}, "worked"),
        ({"posted": NOW + timedelta(seconds=5.1)}, "no-event"),
        ({"took": timedelta(seconds=299.9)}, "worked"),
        ({"reply": result(took_s=math.nan)}, "over-budget"),
        ({"posted": NOW - timedelta(seconds=428)}, "worked"),
        ({"posted": NOW - timedelta(seconds=428.1)}, "clock-ahead"),
        ({"count": 2}, "part-missing"),
        ({"others": (SweepEvent(id="e2", at=NOW, result=result(source="activity-core")),)}, "worked"),
    ],
)
def test_what_a_canary_is_judged_by(fields: dict[str, Any], reason: str) -> None:
    """Reply, work, budget, event and agreement are told apart; assessment failures never fail it."""
    finding = canary_worked(seen(**fields), LIMITS)
    verdict = {"worked": True, **dict.fromkeys(("lock-skipped", "clock-ahead", "part-missing"))}.get(
        reason, False
    )
    assert (finding.reason, finding.holds) == (reason, verdict)


@given(st.integers(0, 10**6), st.booleans())
def test_assessment_failures_never_fail_a_canary(count: int, told: bool) -> None:  # noqa: FBT001
    """However many hygiene gaps a sweep finds, it has worked."""
    said = result(assessment_failures=count if told else None)
    event = SweepEvent(id="e", at=NOW, result=said)
    assert canary_worked(seen(reply=said, events=(event,)), LIMITS).holds


class Hub:
    """A State Hub as its client shows it: events, runs, and the bridge's view of the newest."""

    def __init__(self, **limits: Any) -> None:
        self.section = StateHubSection.model_validate({"limits": QUICK | limits}).model_copy(
            update={"activity": ActivityTarget(url="postgresql://u@h/d")}
        )
        self.all = [self.event("scheduled", NOW - timedelta(minutes=6), "activity-core")]
        self.rows: list[dict[str, Any]] | Unobservable = []
        self.strange = False
        self.posts = 0
        self.api = SimpleNamespace(events=self._events)
        self.bridge = SimpleNamespace(events=self._bridged)
        self.activity = SimpleNamespace(runs=self._runs)

    @staticmethod
    def event(name: str, at: datetime, source: str, **fields: Any) -> SweepEvent:
        """An event of that sweep."""
        return SweepEvent(id=name, at=at, result=result(source=source, **fields))

    async def _events(self, _limit: int) -> tuple[tuple[SweepEvent, ...], int, bool]:
        return tuple(sorted(self.all, key=lambda e: e.at, reverse=True)), 0, True

    async def _bridged(self, _limit: int) -> tuple[tuple[SweepEvent, ...], int, bool]:
        return (
            ((self.event("another", NOW, "manual"),) if self.strange else (await self._events(1))[0]),
            0,
            True,
        )

    async def _runs(self, _since: datetime, _most: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        if isinstance(self.rows, Unobservable):
            raise self.rows
        return self.rows, {}

    def run(self, fired: datetime, scheduled: datetime, *, done: bool) -> dict[str, Any]:
        """A row of activity_runs."""
        return {
            "run": "r1",
            "scheduled": scheduled,
            "fired": fired,
            "result": DONE if done else None,
            "size": None,
        }


def watch(hub: Hub, answer: Any, event: SweepEvent | None = None) -> ManualCanary:
    """A canary of this hub whose POST gets `answer` and leaves `event`."""

    async def post() -> Reply:
        hub.posts += 1
        if event is not None:
            hub.all.append(event)
        if isinstance(answer, Unobservable):
            raise answer
        return Reply("http://h", 200, "application/json", json.dumps(answer).encode(), cut=False)

    return asyncio.run(observe_canary(cast("StateHubClient", hub), post))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What time it is for the canary."""
    moment = [NOW]

    class Clock(datetime):
        @classmethod
        def now(cls, _tz: Any = None) -> Clock:
            return cls.fromtimestamp(moment[0].timestamp(), UTC)

    monkeypatch.setattr(module, "datetime", Clock)
    return moment


@pytest.mark.usefixtures("clock")
def test_a_sweep_is_followed_to_its_event() -> None:
    """Its own event is the new one of its source; a skipped one and the schedule's are not its own."""
    hub = Hub()
    hub.all.append(Hub.event("old", NOW - timedelta(minutes=1), "opsverify-canary"))
    found = watch(hub, DONE, Hub.event("own", NOW, "opsverify-canary"))
    assert [e.id for e in found.events] == ["own"]
    assert hub.posts == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("kind", [ErrorKind.SILENT, ErrorKind.RESET, ErrorKind.SERVER_ERROR])
def test_what_may_have_been_taken_is_followed_and_never_asked_for_again(kind: ErrorKind) -> None:
    """After a time-out, a reset or a 504 the sweep is followed by time and source, and not repeated."""
    hub = Hub()
    found = watch(hub, Unobservable(kind, "nothing"), Hub.event("own", NOW, "manual"))
    assert (found.reply, [e.id for e in found.events], hub.posts) == (None, ["own"], 1)
    assert canary_worked(found, hub.section.limits).reason == "no-reply"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "kind", [ErrorKind.REFUSED, ErrorKind.DENIED, ErrorKind.UNEXPECTED_REPLY, ErrorKind.NAME_NOT_FOUND]
)
def test_what_was_not_taken_is_not_followed(kind: ErrorKind) -> None:
    """Where nobody can have taken the request, the reason is what there is to tell."""
    with pytest.raises(Unobservable) as told:
        watch(Hub(), Unobservable(kind, "no"))
    assert told.value.kind is kind


@pytest.mark.usefixtures("clock")
def test_a_lock_that_is_taken_is_no_verdict() -> None:
    """A reply with lock_skipped verifies nothing: UNKNOWN, and not asked for again."""
    hub = Hub()
    finding = canary_worked(watch(hub, {"source": "x", "lock_skipped": True}), LIMITS)
    assert (finding.reason, finding.holds, hub.posts) == ("lock-skipped", None, 1)


@pytest.mark.usefixtures("clock")
def test_an_event_of_before_does_not_end_the_looking() -> None:
    """A late event of another sweep is observed, looked past, and not taken for its own."""
    hub = Hub()
    found = watch(hub, DONE, Hub.event("late", NOW - timedelta(minutes=1), "manual"))
    assert [e.id for e in found.events] == ["late"]
    assert canary_worked(found, hub.section.limits).reason == "no-event"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("answer", [[], "x", None, {"lock_skipped": "no"}, {"lock_skipped": False}, {}])
def test_a_reply_of_no_known_shape_is_shown(answer: Any) -> None:
    """A reply that fits nothing known is neither a pass nor a failure."""
    with pytest.raises(Unobservable) as told:
        watch(Hub(), answer)
    assert told.value.kind is ErrorKind.UNEXPECTED_REPLY


@pytest.mark.parametrize(
    ("minute", "second", "rows", "told"),
    [
        (14, 59, "none", "when the next one is due"),
        (7, 0, "unfinished", "has no result yet"),
        (0, 30, "none", "about to begin"),
        (7, 0, "unseen", "does not show"),
    ],
)
def test_nothing_is_asked_for_while_one_may_be_at_work(
    clock: list[datetime], minute: int, second: int, rows: str, told: str
) -> None:
    """Too near the next instant, a run without a result, an instant whose run may be about to begin: no POST."""
    hub = Hub()
    hub.all = [Hub.event("old", NOW - timedelta(minutes=20), "activity-core")]
    clock[0] = NOW.replace(minute=minute, second=second)
    if rows == "unfinished":
        hub.rows = [hub.run(NOW, NOW, done=False)]
    elif rows == "unseen":
        hub.rows = Unobservable(ErrorKind.REFUSED, "no")
    with pytest.raises(Unobservable, match=told) as refused:
        watch(hub, DONE)
    assert refused.value.kind is ErrorKind.PRECONDITION
    assert hub.posts == 0


@pytest.mark.usefixtures("clock")
def test_a_schedule_that_stands_still_does_not_hold_the_canary_up() -> None:
    """With no run of this instant, long after it, nothing is at work: the canary shows whether a sweep could work."""
    hub = Hub()
    hub.all = [Hub.event("old", NOW - timedelta(hours=2), "activity-core")]
    assert watch(hub, DONE, Hub.event("own", NOW, "opsverify-canary")).reply is not None


@pytest.mark.usefixtures("clock")
def test_a_scheduled_sweep_that_was_skipped_tells_of_another() -> None:
    """While the lock has just skipped the schedule's own sweep another one is at work; its event says that it is over."""
    hub = Hub()
    hub.all = [Hub.event("skipped", NOW - timedelta(minutes=6), "activity-core", lock_skipped=True)]
    with pytest.raises(Unobservable, match="another sweep is running"):
        watch(hub, DONE)
    hub.all.append(Hub.event("by hand", NOW - timedelta(minutes=2), "manual"))
    assert watch(hub, DONE, Hub.event("own", NOW, "opsverify-canary")).reply is not None


@pytest.mark.usefixtures("clock")
def test_a_bridge_to_a_stranger_is_not_posted_to() -> None:
    """Where the bridge shows another newest event, nothing is asked for: it would sweep somebody else's repositories."""
    hub = Hub()
    hub.strange = True
    with pytest.raises(Unobservable, match="S-API-1"):
        watch(hub, DONE)
    assert hub.posts == 0


def test_limits_that_cannot_work_are_refused() -> None:
    """A patience beyond the canary's deadline is refused with the reason."""
    with pytest.raises(ValueError, match="too long"):
        StateHubSection.model_validate({"limits": {"patience": 200, "canary_slack": 30}})


@pytest.mark.usefixtures("clock")
def test_a_budget_that_fits_into_no_interval_is_never_asked_for() -> None:
    """Where the budget is longer than the interval there is no free moment, and the reason is told."""
    hub = Hub(canary=900)
    with pytest.raises(Unobservable, match="when the next one is due"):
        watch(hub, DONE)
    assert hub.posts == 0

"""Less evidence never looks better to State Hub's criteria: parts that are gone, times that cannot be, numbers that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from checks.statehub.activity.criteria import runs as run_criteria
from checks.statehub.api import criteria as api_criteria
from checks.statehub.sweeps.criteria import events as events_criteria
from checks.statehub.sweeps.criteria import sweepers as sweep_criteria
from fixtures.statehub.twin import cluster
from opsverify.model.observation import Observation, Observed
from systems.statehub.activity.models import ActivityRun, Definition, Promised, Runs
from systems.statehub.api.models import NewestEvents
from systems.statehub.kubernetes import objects
from systems.statehub.kubernetes.models import Drift
from systems.statehub.kubernetes.target import KubernetesTarget
from systems.statehub.limits import StateHubLimits
from systems.statehub.schedule.models import Schedule
from systems.statehub.sources.models import Source, Sources
from systems.statehub.sweeps.models import Gaps, Repos, SweepEvent, Sweeps
from tests.unit.statehub_seen import allowance, definition, deployment, repos, result, schedule, server

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsverify.model.verdict import Finding

NOW = datetime(2026, 6, 21, 12, 8, tzinfo=UTC)
STEP, DAY, FAR = timedelta(minutes=15), timedelta(days=1), timedelta(days=400)
LAST = NOW.replace(minute=0)  # the newest instant at which a run has had its time
LIMITS = StateHubLimits()


def event(n: int, **fields: Any) -> SweepEvent:
    """The healthy event of the n-th instant before now, but for `fields`."""
    told = {"skipped_clean": repos("a"), "assessment_failures": 1, "gaps": Gaps(count=1, names=("a C-01",))}
    return SweepEvent(id=f"e{n}", at=NOW - timedelta(minutes=7) - STEP * n, result=result(**(told | fields)))


def sweeps(*events: SweepEvent, **fields: Any) -> Sweeps:
    """These events; the newest nine where none is given."""
    there = events or tuple(event(n) for n in range(9))
    whole: dict[str, Any] = {
        "events": there, "count": len(there), "looked": NOW, "covers": NOW - DAY - STEP, "repeated": 0,
        "source": "activity-core", "manual": ("manual",),
    }  # fmt: skip
    return Sweeps(**(whole | fields))


def runs(**fields: Any) -> Runs:
    """A run at each instant of the day, of which the last hour is judged."""
    instants = [LAST - STEP * n for n in reversed(range(97))]
    rows = [
        ActivityRun(run_id=f"r{i}", scheduled_for=i, fired_at=i, result=event(0).result) for i in instants
    ]
    whole: dict[str, Any] = {
        "runs": tuple(rows), "count": len(rows), "day": NOW - DAY, "since": LAST - STEP * 3, "since_why": "the change",
        "as_of": NOW, "ahead": timedelta(0), "standby": False, "manual": ("manual",),
    }  # fmt: skip
    return Runs(**(whole | fields))


OF_SWEEPS: dict[str, Callable[[Sweeps], Finding]] = {
    "S-PRG-1": lambda s: events_criteria.fresh(s, NOW, LIMITS, worse=True),
    "S-PRG-1b": lambda s: events_criteria.fresh(s, NOW, LIMITS, worse=False),
    "S-PRG-2": lambda s: events_criteria.healthy_evidence(s, LIMITS),
    "S-PRG-3": lambda s: events_criteria.no_automation_error(s, LIMITS, worse=True),
    "S-PRG-3b": lambda s: events_criteria.no_automation_error(s, LIMITS, worse=False),
    "S-PRG-4": lambda s: sweep_criteria.assessment_trend(s, LIMITS),
    "S-LCK-1": lambda s: sweep_criteria.lock_is_free(runs(), s, LIMITS),
    "S-LCK-1b": lambda s: sweep_criteria.nobody_starves(s, LIMITS),
    "S-ACT-1": lambda s: run_criteria.one_run_per_instant(runs(), s, LIMITS),
}
OF_RUNS: dict[str, Callable[[Runs], Finding]] = {
    "S-ACT-1": lambda r: run_criteria.one_run_per_instant(r, sweeps(*map(event, range(97))), LIMITS),
    "S-ACT-1b": lambda r: run_criteria.no_older_gaps(r, LIMITS),
    "S-REC-1b": lambda r: run_criteria.resumed(r, LIMITS),
    "S-LCK-1": lambda r: sweep_criteria.lock_is_free(r, sweeps(), LIMITS),
}


def verdict(finding: Finding) -> tuple[str, bool | None]:
    """Reason, and whether it holds."""
    return finding.reason, finding.holds


@pytest.mark.parametrize("judge", OF_SWEEPS.values(), ids=OF_SWEEPS)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"count": 10}, "part-missing"),
        ({"looked": NOW + timedelta(seconds=5)}, ""),
        ({"looked": NOW + timedelta(seconds=5.1)}, "out-of-window"),
        ({"looked": NOW + FAR}, "out-of-window"),
        ({"covers": NOW - FAR}, "out-of-window"),
        ({"covers": NOW + FAR}, "out-of-window"),
        ({"events": (*(event(n) for n in range(8)), event(8).model_copy(update={"at": NOW - FAR}))}, "out-of-window"),
    ],
)  # fmt: skip
def test_events_that_are_gone_or_of_no_window(
    judge: Callable[[Sweeps], Finding], fields: dict[str, Any], reason: str
) -> None:
    """The reply had more of them, or a time lies outside of the window: what else is well proves nothing."""
    finding = judge(sweeps(**fields))
    assert finding.holds is (None if reason else True)
    assert not reason or finding.reason == reason


@pytest.mark.parametrize("judge", OF_RUNS.values(), ids=OF_RUNS)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"count": 98}, "part-missing"),
        ({"since": NOW - FAR}, "out-of-window"),
        ({"day": NOW - FAR}, "out-of-window"),
        ({"day": NOW + FAR}, "out-of-window"),
        ({"as_of": NOW + FAR}, "out-of-window"),
        ({"as_of": NOW + timedelta(seconds=5)}, ""),
        ({"as_of": NOW + timedelta(seconds=5.1)}, "out-of-window"),
    ],
)
def test_runs_that_are_gone_or_of_no_window(
    judge: Callable[[Runs], Finding], fields: dict[str, Any], reason: str
) -> None:
    """A stretch that is none is not judged, and not walked through either."""
    finding = judge(runs(**fields))
    assert finding.holds is (None if reason else True)
    assert not reason or finding.reason == reason


@pytest.mark.parametrize("judge", OF_RUNS.values(), ids=OF_RUNS)
@pytest.mark.parametrize("away", [FAR, -FAR])
def test_a_run_of_another_time_leaves_it_open(judge: Callable[[Runs], Finding], away: timedelta) -> None:
    """Two runs of one instant, one of them moved out of the day: nobody knows where it belongs."""
    whole = runs()
    moved = whole.runs[-1].model_copy(update={"scheduled_for": LAST + away})
    assert verdict(judge(runs(runs=(*whole.runs, moved), count=98))) == ("out-of-window", None)


def test_what_is_known_outranks_what_is_gone() -> None:
    """An event that is gone, or of no window, hides nothing that the others say."""
    broken = [event(n, automation_error=True) for n in range(9)]
    for fields in ({"count": 10}, {"looked": NOW + FAR}):
        assert verdict(OF_SWEEPS["S-PRG-3"](sweeps(*broken, **fields))) == ("automation-error", False)
    gone = runs(runs=runs().runs[:-1])
    assert verdict(OF_RUNS["S-ACT-1"](gone)) == ("missed", False)
    assert verdict(OF_RUNS["S-REC-1b"](gone)) == ("not-resumed", False)


def test_another_ones_sweep_shows_nothing_of_the_schedule() -> None:
    """The schedule's own newest sweep has failed, whoever has swept since."""
    for source in ("local-timer", "manual"):
        newer = (event(0, source=source), *(event(n, automation_error=n == 1) for n in range(1, 6)))
        assert verdict(OF_SWEEPS["S-PRG-3b"](sweeps(*newer))) == ("automation-error", False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"processed": repos("b")}, ("healthy", True)),
        ({"processed": repos("a")}, ("processed-clean", False)),
        ({"processed": Repos(count=1, names=())}, ("names-missing", None)),
        ({"processed": repos("b"), "skipped_clean": Repos(count=2, names=("a",))}, ("names-missing", None)),
        ({"processed": Repos(count=1, names=None)}, ("healthy", True)),
    ],
)
def test_repositories_that_are_counted_and_not_named(
    fields: dict[str, Any], expected: tuple[str, bool | None]
) -> None:
    """Which of them was processed although clean is not known; a sweep that tells numbers only tells no names at all."""
    events = [event(0, **fields), *(event(n) for n in range(1, 6))]
    assert verdict(OF_SWEEPS["S-PRG-2"](sweeps(*events))) == expected


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        (Gaps(count=1, names=("a C-01",)), ("not-rising", True)),
        (Gaps(count=1, names=("b C-01",)), ("new", False)),
        (Gaps(count=1, names=()), ("names-missing", None)),
        (Gaps(count=2, names=("a C-01",)), ("names-missing", None)),
        (None, ("not-rising", True)),
    ],
)
def test_gaps_that_are_counted_and_not_named(gaps: Gaps | None, expected: tuple[str, bool | None]) -> None:
    """Whether one of those is new is not known."""
    events = [event(0, gaps=gaps), *(event(n) for n in range(1, 6))]
    assert verdict(OF_SWEEPS["S-PRG-4"](sweeps(*events))) == expected


def test_a_duration_that_is_none_excuses_no_gap() -> None:
    """A sweep that took NaN seconds was not in flight at any instant."""
    instant = LAST - STEP
    by_hand = SweepEvent(
        id="h", at=instant + timedelta(seconds=30), result=result(source="manual", took_s=60.0)
    )
    whole = runs()
    gone = runs(runs=tuple(r for r in whole.runs if r.scheduled_for != instant), count=96)
    for took, expected in ((60.0, ("one-each", True)), (float("nan"), ("missed", False))):
        told = by_hand.model_copy(update={"result": result(source="manual", took_s=took)})
        events = sorted([told, *(event(n) for n in range(9))], key=lambda e: e.at, reverse=True)
        finding = run_criteria.one_run_per_instant(gone, sweeps(*events), LIMITS)
        assert verdict(finding) == expected


@pytest.mark.parametrize(
    ("fields", "now", "before"),
    [
        ({}, ("known", True), ("none", True)),
        ({"count": 5}, ("part-missing", None), ("part-missing", None)),
        ({"judged": ()}, ("no-sweep", None), ("no-sweep", None)),
        ({"since": NOW - FAR}, ("out-of-window", None), ("out-of-window", None)),
        ({"day": NOW + FAR}, ("out-of-window", None), ("out-of-window", None)),
    ],
)
def test_sources_that_are_gone(
    fields: dict[str, Any], now: tuple[str, bool | None], before: tuple[str, bool | None]
) -> None:
    """The sweeps of the day are more than those of the sources that are here, or the day is none."""
    core = (Source(name="activity-core", count=2, newest=NOW, newest_id="e"),)
    whole: dict[str, Any] = {
        "count": 4, "day": NOW - DAY, "covers": NOW - DAY - STEP, "ahead": timedelta(0), "since": NOW - STEP * 4,
        "since_why": "the change", "allowed": ("activity-core",), "judged": core, "earlier": core,
    }  # fmt: skip
    told = Sources(**(whole | fields))
    assert verdict(sweep_criteria.known_sources(told, LIMITS)) == now
    assert verdict(sweep_criteria.no_earlier_strangers(told, LIMITS)) == before


def test_the_newest_event_is_the_one_that_was_shown_first() -> None:
    """One that is gone from the reply, or has moved into the past, hides no difference of the two ways."""

    def way(*events: tuple[str, datetime], showed: int = 2) -> Observation[NewestEvents]:
        return Observation(
            "n", "statehub", ("api",), NewestEvents(events=events, count=showed), NOW, timedelta(0)
        )

    old, new = ("e1", NOW - STEP), ("e2", NOW - timedelta(minutes=5))
    assert verdict(api_criteria.same_newest(way(new, old), way(old, showed=1), LIMITS)) == ("differs", False)
    assert verdict(api_criteria.same_newest(way(old), way(old, showed=1), LIMITS)) == ("part-missing", None)
    moved = way(("e2", NOW - FAR), old)
    assert verdict(api_criteria.same_newest(moved, way(old, showed=1), LIMITS)) == ("differs", False)


PROMISED = Promised(id="7c4e", name="Sweep", cron="*/15 * * * *", timezone="UTC", misfire="skip")
STATED: list[Observed] = [
    result(), repos("a"), sweeps(), runs(), definition(PROMISED), server(NOW), schedule(), deployment("worker"),
    allowance(), Definition.absent(PROMISED), Schedule.absent((), "7c4e"),
]  # fmt: skip


@pytest.mark.parametrize("value", STATED, ids=lambda v: type(v).__name__)
def test_whoever_makes_a_value_states_every_field(value: Observed) -> None:
    """No field stands for "no trouble" by itself: saved evidence without it cannot be loaded."""
    whole = value.model_dump(mode="json")
    for name in whole:
        with pytest.raises(ValidationError):
            type(value).model_validate({k: v for k, v in whole.items() if k != name})


def test_a_deployment_counts_what_was_compared() -> None:
    """Replicas, image and variables, each of them; and each container that tells which build it runs."""
    worker = cluster.objects_of(KubernetesTarget(kubeconfig="k"))
    path, pod = (p for p in worker if p.endswith(("/actcore-worker", "/actcore-worker-0")))
    live = worker[path]
    live["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "http://elsewhere"
    pods = objects.parsed(objects.PodList, {"items": [worker[pod], worker[pod]]}, "pods").items
    image = KubernetesTarget(kubeconfig="k").image
    told = objects.deployment_of(
        "actcore-worker", objects.parsed(objects.Containers, live, "worker"), pods, image
    )
    differences = ("actcore-worker: env STATE_HUB_URL",)
    assert told.drift == Drift(compared=3, same=2, differences=differences)
    assert told.image_ids == (cluster.IMAGE_ID,) * 2

"""Criteria of Temporal, the cluster, the bridge, the timer and the clocks, at their boundaries."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.statehub.activity.criteria import server as server_criteria
from checks.statehub.kubernetes import criteria as cluster_criteria
from checks.statehub.kubernetes import criteria as kubernetes_criteria
from checks.statehub.schedule import criteria as schedule_criteria
from checks.statehub.sources import criteria as sources_criteria
from checks.statehub.workstation import criteria as workstation_criteria
from opsverify.model.observation import Bracketed, Observation
from systems.statehub.activity.models import Promised
from systems.statehub.api.models import NewestEvents
from systems.statehub.kubernetes.models import Deployments, Drift, Route, SyncJob
from systems.statehub.limits import StateHubLimits
from systems.statehub.schedule.grid import at_or_before, due
from systems.statehub.schedule.models import Frontend, Schedule
from systems.statehub.sources.models import Clocks
from systems.statehub.sweeps.models import SweepEvent, Sweeps
from systems.statehub.workstation.models import Timer, Unit
from tests.unit.statehub_seen import allowance, definition, deployment, drift, result, schedule, server

NOW = datetime(2026, 6, 21, 12, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
LIMITS = StateHubLimits()
FIRST = at_or_before(NOW, STEP) + STEP


def seen(at: datetime = NOW, **fields: Any) -> Observation[Schedule]:
    """A healthy schedule, but for `fields`, looked at then for 0.2 s."""
    first = at_or_before(at, STEP) + STEP
    healthy: dict[str, Any] = {
        "next": tuple(first + STEP * n for n in range(10)),
        "last": first - STEP,
        "created": at - timedelta(days=9),
    }
    value = schedule(**(healthy | fields))
    return Observation("s", "statehub", ("temporal",), value, at, timedelta(seconds=0.2))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "as-promised"),
        ({"found": ()}, "no-schedule"),
        ({"paused": True}, "paused"),
        ({"found": ("7c4e",), "count": 2}, "ambiguous"),
        ({"found": (), "count": 1}, "part-missing"),
        ({"found": (), "count": 1, "paused": True}, "paused"),
        ({"paused": True, "next": ()}, "paused"),
        ({"found": ("7c4e", "Sweep")}, "ambiguous"),
        ({"overlap": "buffer_one"}, "overlap"),
        ({"invalid": "no such zone"}, "invalid"),
        ({"next": (FIRST, FIRST + STEP, FIRST + STEP * 2)}, "ends"),
        ({"next": ()}, "ends"),
        ({"next": tuple(FIRST + STEP * n + timedelta(seconds=7) for n in range(4))}, "off-grid"),
        ({"next": tuple(FIRST + STEP * 2 * n for n in range(4))}, "off-grid"),
        ({"next": tuple(FIRST + STEP * (n + 1) for n in range(4))}, "off-grid"),
    ],
)
def test_the_schedule_must_be_as_promised(change: dict[str, Any], reason: str) -> None:
    """Each promised property is judged: there, once, going on, on the grid, without a hole, skipping overlaps."""
    assert schedule_criteria.promised_schedule(seen(**change), LIMITS).reason == reason


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 -- timezones says
def test_a_healthy_schedule_is_healthy_at_any_moment(at: datetime) -> None:
    """Whenever it is looked at, also at an instant itself, the next fire times of the grid are as promised."""
    assert schedule_criteria.promised_schedule(seen(at), LIMITS).holds
    assert schedule_criteria.fires(seen(at), LIMITS).holds


def test_the_instant_of_the_look_may_still_be_told() -> None:
    """A server that answers at the very instant may name it as its next one, or the one after it."""
    at = FIRST + timedelta(seconds=0.1)
    for first in (FIRST, FIRST + STEP):
        told = seen(at, next=tuple(first + STEP * n for n in range(4)))
        assert schedule_criteria.promised_schedule(told, LIMITS).holds


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_the_grid_holds_through_daylight_saving_time(day: datetime) -> None:
    """On the days on which Berlin's clocks change there are 96 instants, and local time moves nothing."""
    instants = due(day, day + timedelta(days=1) - STEP, STEP)
    local = [i.astimezone(ZoneInfo("Europe/Berlin")) for i in instants]
    assert len(instants) == 96
    assert len({i.utcoffset() for i in local}) == 2
    assert [at_or_before(i.astimezone(UTC), STEP) for i in local] == instants
    for instant in instants:
        assert schedule_criteria.promised_schedule(seen(instant), LIMITS).holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "fires"),
        ({"last": NOW - timedelta(seconds=960)}, "fires"),
        ({"last": NOW - timedelta(seconds=961)}, "stuck"),
        ({"last": None}, "stuck"),
        ({"last": None, "created": NOW - timedelta(seconds=960)}, "stuck"),
        ({"last": None, "created": NOW - timedelta(seconds=959)}, "none-due"),
        ({"last": None, "paused": True}, "none-due"),
        ({"last": None, "found": ()}, "none-due"),
        ({"found": (), "count": 1}, "part-missing"),
        ({"found": (), "count": 1, "last": None}, "stuck"),
        ({"last": NOW + timedelta(seconds=5)}, "fires"),
        ({"last": NOW + timedelta(seconds=6)}, "clock-ahead"),
        ({"last": None, "created": NOW + timedelta(seconds=6)}, "clock-ahead"),
    ],
)
def test_temporal_is_stuck_when_it_does_not_fire(change: dict[str, Any], reason: str) -> None:
    """Its newest action is not older than an interval and slack; paused, missing and new ones owe none."""
    assert schedule_criteria.fires(seen(**change), LIMITS).reason == reason


def test_a_namespace_that_is_being_deleted_is_told() -> None:
    """Only a registered namespace is in use."""
    for state, holds in (("REGISTERED", True), ("DELETED", False), ("DEPRECATED", False)):
        frontend = Frontend(version="1.27", namespace="default", state=state)
        assert schedule_criteria.namespace_registered(frontend).holds is holds


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "one-image"),
        ({"images": ("docker.io/library/i:1",)}, "one-image"),
        ({"images": ("proxy:3", "i:1")}, "one-image"),
        ({"images": ("noti:1",)}, "image"),
        ({"found": False}, "deployment-missing"),
        ({"available": 0}, "unavailable"),
        ({"desired": 3, "available": 2}, "unavailable"),
        ({"desired": 0, "available": 0}, "unavailable"),
        ({"stalled": "ProgressDeadlineExceeded"}, "rollout-stalled"),
        ({"image_ids": ("b",)}, "images-differ"),
        ({"image_ids": ("a", "b")}, "images-differ"),
        ({"image_ids": ()}, "image-unknown"),
        ({"desired": 2, "available": 2}, "image-unknown"),
        ({"desired": 2, "available": 2, "image_ids": ("a", "a")}, "one-image"),
        ({"rolling": "0 of 1", "available": 0, "image_ids": ("b",)}, "rollout-under-way"),
        ({"rolling": "0 of 1", "images": ("i:2",)}, "image"),
        ({"no": "deployment"}, "no-deployment"),
    ],
)
def test_deployments_run_one_build(change: dict[str, Any], reason: str) -> None:
    """All are available and run the same build; scaled to nothing is not available."""
    there = () if change == {"no": "deployment"} else (deployment("worker"), deployment("api", **change))
    both = Deployments(image="i:1", wanted=("worker", "api"), deployments=there)
    assert cluster_criteria.one_image(both).reason == reason
    assert cluster_criteria.one_image(both.model_copy(update={"deployments": there[:1]})).reason in (
        "part-missing",
        "no-deployment",
    )


@pytest.mark.parametrize(
    ("state", "age_s", "reason"),
    [
        ("complete", None, "complete"),
        ("failed", None, "job-failed"),
        ("running", None, "still-running"),
        ("absent", 90 * 86400 - 1, "synced"),
        ("absent", 90 * 86400, "synced"),
        ("absent", 90 * 86400 + 1, "sync-old"),
        ("absent", -5, "synced"),
        ("absent", -6, "clock-ahead"),
        ("absent", "untold", "age-missing"),
        ("absent", None, "not-synced"),
    ],
)
def test_a_job_that_is_gone_is_judged_by_its_definition(
    state: str, age_s: int | str | None, reason: str
) -> None:
    """A finished job says it itself; one that is gone is judged by the age of what it synced."""
    promised = Promised(id="7c4e", name="Sweep", cron="*/15 * * * *", timezone="UTC", misfire="skip")
    changed = NOW - timedelta(seconds=age_s) if isinstance(age_s, int) else None
    left = definition(promised, found=int(age_s is not None), changed=changed)
    job = SyncJob(name="actcore-sync", state=state, told="", definition=left)
    assert cluster_criteria.synced(job, NOW, LIMITS).reason == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "to-the-bridge"),
        ({"url": "http://bridge.activity-core:8000"}, "to-the-bridge"),
        ({"url": "http://bridge.activity-core.svc.cluster.local.:8000/"}, "to-the-bridge"),
        ({"url": "http://bridge", "ports": (80,)}, "to-the-bridge"),
        ({"url": ""}, "not-set"),
        ({"url": "http://bridge.other:8000"}, "elsewhere"),
        ({"url": "http://127.0.0.1:8000"}, "elsewhere"),
        ({"url": "http://bridge:port"}, "elsewhere"),
        ({"url": "http://bridge:9000"}, "port"),
        ({"exists": False, "ports": (), "ready": 0}, "no-service"),
        ({"ready": 0, "not_ready": 2}, "no-endpoints"),
    ],
)
def test_the_worker_must_point_to_the_bridge(change: dict[str, Any], reason: str) -> None:
    """Name, namespace and port are the service's, and something ready stands behind it."""
    healthy: dict[str, Any] = {
        "variable": "STATE_HUB_URL",
        "url": "http://bridge:8000",
        "origin": "the deployment",
        "service": "bridge",
        "namespace": "activity-core",
        "exists": True,
        "ports": (8000,),
        "ready": 1,
        "not_ready": 0,
    }
    assert cluster_criteria.points_to_the_bridge(Route(**(healthy | change))).reason == reason


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"configured_s": 359.9}, "too-short"),
        ({"configured_s": 360}, "long-enough"),
        ({"configured_s": 3600}, "long-enough"),
        ({"configured_s": math.nan}, "too-short"),
        ({"configured_s": 60, "longest_s": 400}, "too-short"),
        ({"longest_s": 359.9}, "not-shown"),
        ({"longest_s": 360}, "long-enough"),
        ({"longest_s": 361}, "long-enough"),
        ({"longest_s": math.nan}, "not-shown"),
        ({}, "not-shown"),
    ],
)
def test_how_long_a_request_may_take(seen: dict[str, float], reason: str) -> None:
    """360 s must pass; a sweep that took as long shows it too, and a shorter one shows nothing."""
    told = allowance(**seen)
    assert kubernetes_criteria.long_requests_pass(told, LIMITS).reason == reason


def test_identity_through_the_bridge() -> None:
    """Events that are not known directly are another State Hub's, but those that were recorded during the looks."""
    healthy = result()
    known = tuple(SweepEvent(id=f"e{n}", at=NOW - STEP * n, result=healthy) for n in range(5))
    start = NOW - timedelta(days=1)
    value = Sweeps(
        events=known,
        count=len(known),
        looked=NOW,
        covers=start,
        repeated=0,
        source="activity-core",
        manual=(),
    )
    direct = Observation("p", "statehub", ("api",), value, NOW, timedelta(seconds=0.1))
    shown = tuple((e.id, e.at) for e in known)
    beyond = tuple((f"old{n}", start - STEP * n) for n in range(5))

    def reason(
        *events: tuple[str, datetime], showed: int | None = None, known: Observation[Sweeps] = direct
    ) -> str:
        newest = NewestEvents(events=events, count=len(events) if showed is None else showed)
        bridged = Observation("b", "statehub", ("bridge",), newest, NOW, timedelta(seconds=0.1))
        return sources_criteria.same_state_hub(bridged, known, LIMITS).reason

    def new(age_s: float) -> tuple[str, datetime]:
        return "new", NOW - timedelta(seconds=age_s)

    assert reason(*shown) == reason(*shown[2:]) == "same"
    assert reason(new(5), *shown) == reason(new(-5), *shown) == "same"
    assert reason(new(LIMITS.skew.value + 0.1), *shown) == "same"  # just when the looks began
    assert reason(new(5.2), *shown) == reason(new(30), *shown) == "another-state-hub"
    assert reason(new(-5.2), *shown) == "clock-ahead"
    assert reason() == reason(new(1)) == reason(*beyond) == "nothing-to-compare"
    assert reason(*shown, showed=6) == reason(new(5), *shown[1:], showed=6) == "part-missing"
    cut = replace(direct, outcome=value.model_copy(update={"count": 6}))
    assert reason(*shown, known=cut) == "part-missing"
    early = replace(direct, outcome=value.model_copy(update={"covers": NOW + STEP}))
    assert reason(*shown, known=early) == "out-of-window"


@pytest.mark.parametrize(
    ("enabled", "active", "reason"),
    [
        (False, False, "off"),
        (True, False, "enabled"),
        (False, True, "active"),
        (True, True, "active"),
    ],
)
def test_the_timer_is_off_in_every_scope(*, enabled: bool, active: bool, reason: str) -> None:
    """One service manager that has it on is enough."""
    off = Unit(scope="system", enabled=False, enabled_word="not-found", active=False, active_word="inactive")
    other = Unit(scope="user", enabled=enabled, enabled_word="?", active=active, active_word="?")
    timer = Timer(name="custodian-sync.timer", host="local://", scopes=("system", "user"), units=(off, other))
    assert workstation_criteria.timer_off(timer).reason == reason
    assert workstation_criteria.timer_off(timer.model_copy(update={"units": ()})).reason == "no-scope"
    assert workstation_criteria.timer_off(timer.model_copy(update={"units": (off,)})).reason == "part-missing"


@pytest.mark.parametrize(
    ("ahead", "missing", "reason"),
    [
        ((0, 0), (), "agree"),
        ((5, 0), (), "agree"),
        ((6, 0), (), "clock-skew"),
        ((3, -3), (), "clock-skew"),
        ((-6,), (), "clock-skew"),
        ((2, -3), (), "agree"),
        ((0, 0), ("api: refused",), "part-missing"),
        ((6, 0), ("api: refused",), "clock-skew"),
        ((), (), "no-clock"),
    ],
)
def test_clocks_are_compared_with_each_other(
    ahead: tuple[int, ...], missing: tuple[str, ...], reason: str
) -> None:
    """The fastest and the slowest, ours among them, are no further apart than allowed; one that is missing is told."""
    here = tuple((f"c{n}", timedelta(seconds=a)) for n, a in enumerate(ahead))
    told = Clocks(asked=tuple(name for name, _ in here), ahead=here, missing=missing, clockless=())
    assert sources_criteria.clocks_agree(told, LIMITS).reason == reason
    more = sources_criteria.clocks_agree(told.model_copy(update={"asked": ("c0", "c1", "api")}), LIMITS)
    assert more.reason == ("clock-skew" if reason == "clock-skew" else "part-missing")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "current"),
        ({"ahead": timedelta(seconds=5)}, "current"),
        ({"ahead": timedelta(seconds=6)}, "clock-skew"),
        ({"ahead": timedelta(seconds=-6)}, "clock-skew"),
        ({"standby": True, "behind": timedelta(seconds=29)}, "current"),
        ({"standby": True, "behind": timedelta(seconds=30)}, "current"),
        ({"standby": True, "behind": timedelta(seconds=31)}, "behind"),
        ({"standby": True, "behind": timedelta(seconds=-5)}, "current"),
        ({"standby": True, "behind": timedelta(seconds=-6)}, "standby-ahead"),
        ({"standby": True, "behind": None}, "behind"),
    ],
)
def test_a_standby_must_not_be_far_behind(change: dict[str, Any], reason: str) -> None:
    """A standby a minute behind its primary shows the past."""
    assert server_criteria.current(server(NOW, **change), LIMITS).reason == reason


@pytest.mark.parametrize(
    ("standby", "refuses", "reason"),
    [(False, True, "refuses-writes"), (True, True, "standby"), (False, False, "takes-writes")],
)
def test_a_primary_takes_writes(*, standby: bool, refuses: bool, reason: str) -> None:
    """A primary that refuses writes loses runs; a standby never takes any."""
    one = server(NOW, standby=standby, refuses_writes=refuses)
    assert server_criteria.takes_writes(one).reason == reason
    assert server_criteria.same_server(Bracketed(first=one, last=one)).reason == "same-server"
    again = one.model_copy(update={"started": NOW + STEP})
    assert server_criteria.same_server(Bracketed(first=one, last=again)).reason == "server-replaced"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (({"drift": drift()}, {"drift": drift()}), "as-applied"),
        (({"drift": drift()}, {"drift": drift("image")}), "drifted"),
        (({"drift": None}, {"drift": drift("image")}), "drifted"),
        (({"drift": None}, {"drift": drift()}), "part-missing"),
        (({"drift": drift()}, {"drift": Drift(compared=3, same=2, differences=())}), "drifted"),
        (({"drift": drift()}, {"drift": drift(compared=0)}), "part-missing"),
        (({"drift": drift(), "rolling": "0 of 1"}, {"drift": drift()}), "rollout-under-way"),
        (({"found": False}, {"drift": drift()}), "as-applied"),
        (({"found": False}, {"found": False}), "no-deployment"),
    ],
)
def test_what_runs_is_compared_with_the_manifest(changes: tuple[dict[str, Any], ...], reason: str) -> None:
    """One that has drifted is told whatever the others say; one that says nothing leaves it open."""
    there = tuple(deployment(name, **change) for name, change in zip(("worker", "api"), changes, strict=True))
    both = Deployments(image="i:1", wanted=("worker", "api"), deployments=there)
    assert cluster_criteria.applied(both).reason == reason
    if there[0].drift == drift() and not there[0].rolling:
        one = both.model_copy(update={"deployments": there[:1]})
        assert cluster_criteria.applied(one).reason == "part-missing"

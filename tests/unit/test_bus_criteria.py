"""What the criteria of the bus say of values that were seen: each answer, and each limit's edge."""

from __future__ import annotations

from typing import Any

import pytest

from checks.esper.bus.criteria import streams as bus
from opsverify.model.verdict import Finding
from systems.esper.bus.models import (
    Consumption,
    Flow,
    GroupPresence,
    GroupState,
    Progress,
    QueueState,
    ServiceGroups,
    StreamState,
)
from systems.esper.limits import EsperLimits

LIMITS = EsperLimits()
OPEN = {
    "stream-missing",
    "group-missing",
    "lag-not-counted",
    "not-a-number",
    "part-missing",
    "no-window",
    "no-traffic",
    "no-groups",
}


def see(found: Finding, reason: str, *good: str) -> None:
    """Assert reason and verdict: `good` reasons hold, those of OPEN cannot be told, all others fail."""
    expected = True if reason in good else None if reason in OPEN else False
    assert (found.reason, found.holds) == (reason, expected)


def flow(**said: Any) -> Flow:
    """A second in which a few entries came to the normal stream."""
    well: dict[str, Any] = {
        "workload": "running",
        "added": {"normal": 5, "emergency": 0, "telemetry": 5},
        "lengths": {"normal": 50, "emergency": 0, "telemetry": 50},
        "names": {"normal": "oona.normal", "emergency": "oona.emergency", "telemetry": "oona.telemetry"},
        "missing": {},
        "emergency_read_by": (),
        "seconds": 1.0,
    }
    return Flow.model_validate(well | said)


NAN = float("nan")
NO_EMERGENCY = {"emergency": "oona.emergency does not exist"}


@pytest.mark.parametrize(
    ("length", "added", "read_by", "missing", "reason"),
    [
        (0, 0, (), {}, "low"),
        (100, 0, (), {}, "low"),
        (101, 0, (), {}, "not-low"),
        (1, 1, (), {}, "growing-unread"),
        (1, 1, ("rescue",), {}, "low"),
        (101, 1, (), {}, "growing-unread"),
        (0, 0, (), NO_EMERGENCY, "stream-missing"),
        (101, 0, (), {"policy": "oona.policy is a string"}, "not-low"),
    ],
)
def test_the_emergency_stream_is_low_and_still(
    length: int, added: int, read_by: tuple[str, ...], missing: dict[str, str], reason: str
) -> None:
    """Few entries, none arriving unread; a stream that is not there tells nothing, unless another is wrong."""
    seen = flow(
        lengths={"normal": 50, "emergency": length, "telemetry": 50},
        added=moved(5, added),
        emergency_read_by=read_by,
        missing=missing,
    )
    see(bus.emergency_low_and_still(seen, LIMITS), reason, "low")


def moved(normal: int, emergency: int, telemetry: int = 5) -> dict[str, int]:
    """So many arrived on each."""
    return {"normal": normal, "emergency": emergency, "telemetry": telemetry}


@pytest.mark.parametrize(
    ("depth", "added", "more", "reason"),
    [
        (50, moved(5, 0), {}, "none-seen"),
        (3999, moved(5, 1), {}, "none-seen"),
        (4000, moved(5, 1), {}, "rerouting"),
        (4001, moved(5, 0), {}, "none-seen"),
        (7999, moved(0, 0), {}, "none-seen"),
        (8000, moved(0, 0), {}, "dropping"),
        (8001, moved(0, 1), {}, "dropping"),
        (8000, moved(1, 0), {}, "none-seen"),
        (8000, moved(0, 0, 0), {}, "no-traffic"),
        (8000, moved(0, 0, 0), {"workload": "idle"}, "idle"),
        (50, {"normal": 5}, {"missing": NO_EMERGENCY}, "stream-missing"),
        (50, {"normal": 5, "emergency": 0}, {}, "stream-missing"),
        (50, moved(5, 0), {"seconds": 0.0}, "no-window"),
        (50, moved(0, 0, 0), {"seconds": NAN, "workload": "idle"}, "no-window"),
        (50, {}, {"workload": "idle"}, "stream-missing"),
        (8000, {"normal": 0, "telemetry": 1}, {"missing": NO_EMERGENCY}, "dropping"),
    ],
)
def test_nothing_speaks_for_drops(
    depth: int, added: dict[str, int], more: dict[str, Any], reason: str
) -> None:
    """From a threshold on, what goes elsewhere or nowhere is told; without traffic nothing can be."""
    seen = flow(lengths={"normal": depth, "emergency": 0, "telemetry": 50}, added=added, **more)
    see(bus.nothing_dropped(seen, LIMITS), reason, "none-seen", "idle")


def test_an_empty_window_shows_nothing_still() -> None:
    """Over no time nothing arrives, whatever is going on."""
    see(bus.emergency_low_and_still(flow(seconds=0.0), LIMITS), "no-window")


@pytest.mark.parametrize(
    ("kind", "present", "reason"),
    [
        ("stream", True, "groups-exist"),
        ("stream", False, "groups-missing"),
        ("none", False, "groups-missing"),
        ("string", False, "groups-missing"),
    ],
)
def test_groups_exist(kind: str, present: bool, reason: str) -> None:  # noqa: FBT001 - a case of the table
    """A group that is missing on one stream is missing, whatever stands there instead."""
    there = GroupPresence(group="g", stream="s", kind="stream", present=True, others=())
    other = GroupPresence(group="g", stream="t", kind=kind, present=present, others=())
    both = ServiceGroups(needed=(("g", "s"), ("g", "t")), found=(there, other))
    see(bus.groups_exist(both), reason, "groups-exist")
    see(bus.groups_exist(both.model_copy(update={"found": (there,)})), "part-missing")
    see(bus.groups_exist(both.model_copy(update={"needed": (), "found": ()})), "no-groups")


def queue(length: int, behind: dict[str, int], **said: Any) -> QueueState:
    """The normal stream."""
    well: dict[str, Any] = {
        "name": "s",
        "kind": "stream",
        "readers": tuple(behind),
        "exact": tuple(behind),
        "missing": (),
        "others": (),
    }
    return QueueState.model_validate({**well, "length": length, "behind": behind, **said})


FAR, NEAR, HALF = {"g": 151}, {"g": 150}, {"g": 150, "h": 151}
LOST: dict[str, Any] = {"readers": ("g", "h"), "missing": ("h",)}
BOUND: dict[str, Any] = {"exact": ()}
DEPTHS = [
    (3999, FAR, {}, "depth", "depth", "depth"),
    (4000, FAR, {}, "reroute-band", "depth", "depth"),
    (4001, HALF, {}, "reroute-band", "depth", "depth"),
    (7999, FAR, {}, "reroute-band", "depth", "depth"),
    (8000, FAR, {}, "depth", "drop-threshold", "depth"),
    (8001, FAR, {}, "depth", "drop-threshold", "depth"),
    (3999, NEAR, {}, "depth", "depth", "depth"),
    (4000, NEAR, {}, "depth", "depth", "untrimmed"),
    (7999, NEAR, {}, "depth", "depth", "untrimmed"),
    (8000, {"g": 149}, {}, "untrimmed-at-drop", "depth", "untrimmed"),
    (8001, NEAR, {}, "untrimmed-at-drop", "depth", "untrimmed"),
    (8000, {}, {}, "depth", "drop-threshold", "depth"),  # nobody reads it
    (8000, {}, {"readers": ("g",)}, "group-missing", "group-missing", "group-missing"),
    (8000, {}, LOST, "group-missing", "group-missing", "group-missing"),
    (50, NEAR, {"readers": ("g", "h")}, "group-missing", "group-missing", "group-missing"),
    (50, NEAR, {"missing": ("h",)}, "group-missing", "group-missing", "group-missing"),
    (50, NEAR, LOST, "group-missing", "group-missing", "group-missing"),
    (8000, NEAR, LOST, "group-missing", "group-missing", "group-missing"),
    (8000, FAR, LOST, "group-missing", "drop-threshold", "group-missing"),
    (4000, FAR, LOST, "reroute-band", "group-missing", "group-missing"),
    (0, {}, {"kind": "none", **LOST}, "stream-missing", "stream-missing", "stream-missing"),
    (4000, NEAR, BOUND, "lag-not-counted", "depth", "lag-not-counted"),
    (8000, NEAR, BOUND, "lag-not-counted", "lag-not-counted", "lag-not-counted"),
    (8000, FAR, BOUND, "depth", "drop-threshold", "depth"),
]


@pytest.mark.parametrize(("length", "behind", "said", "reasons"), [(*row[:3], row[3:]) for row in DEPTHS])
def test_depth_is_judged_with_what_readers_owe(
    length: int, behind: dict[str, int], said: dict[str, Any], reasons: tuple[str, str, str]
) -> None:
    """A backlog is one from its threshold on, untrimmed is what nobody owes; readers that are not there leave it open."""
    seen = queue(length, behind, **said)
    for judge, reason in zip(
        (bus.not_in_reroute_band, bus.not_at_drop, bus.not_untrimmed), reasons, strict=True
    ):
        see(judge(seen, LIMITS), reason, "depth")


def progress(
    *,
    lag: int = 0,
    exact: bool = True,
    advanced: bool = True,
    pending: tuple[int, int] = (0, 0),
    idle_s: float = 0.0,
    gone: int = 0,
    seconds: float = 5.0,
    stream: str = "s",
) -> Progress:
    """A group over a window of five seconds."""
    first = GroupState(
        name="g", consumers=1, pending=pending[0], last_delivered="1-0", lag=0, lag_exact=True, gone=0
    )
    last = GroupState(
        name="g",
        consumers=1,
        pending=pending[1],
        last_delivered="2-0" if advanced else "1-0",
        lag=lag,
        lag_exact=exact,
        gone=gone,
    )
    oldest = ("1-0",) if pending[1] else ()
    return Progress(
        group="g",
        stream=stream,
        first=first,
        last=last,
        added=1,
        seconds=seconds,
        settled=0,
        oldest=oldest,
        oldest_idle_s=idle_s,
        deleted="0-0",
    )


def consumption(seen: tuple[Progress, ...], missing: tuple[str, ...], *more: tuple[str, str]) -> Consumption:
    """What was looked at, and the groups that were looked for beside these."""
    wanted = tuple((p.group, p.stream) for p in seen)
    return Consumption(wanted=(*wanted, *more), progress=seen, missing=missing)


GROWS = progress(pending=(1, 9), idle_s=5.0)
GONE: tuple[str, ...] = ("group g on s does not exist",)


@pytest.mark.parametrize(
    ("seen", "missing", "reason"),
    [
        ((progress(),), (), "keeps-up"),
        ((progress(advanced=False),), (), "keeps-up"),
        ((progress(lag=1, advanced=False),), (), "group-stuck"),
        ((progress(lag=999),), (), "keeps-up"),
        ((progress(lag=1000),), (), "keeps-up"),
        ((progress(lag=1001),), (), "lagging"),
        ((progress(lag=1001, exact=False),), (), "lagging"),
        ((progress(lag=1000, exact=False),), (), "lag-not-counted"),
        ((GROWS,), (), "pending-grows"),
        ((progress(pending=(1, 9), idle_s=4.9),), (), "keeps-up"),
        ((progress(pending=(9, 9), idle_s=99),), (), "keeps-up"),
        ((progress(lag=1001), progress(gone=1)), (), "deleted-undelivered"),
        ((progress(lag=1, advanced=False), GROWS), (), "pending-grows"),
        ((progress(lag=1001), progress(lag=1, advanced=False)), (), "group-stuck"),
        ((progress(),), GONE, "group-missing"),
        ((progress(lag=1001),), GONE, "lagging"),
        ((), GONE, "group-missing"),
        ((), (), "no-groups"),
        ((progress(pending=(1, 9), idle_s=NAN),), (), "not-a-number"),
        ((progress(pending=(1, 9), idle_s=9.0, seconds=NAN),), (), "not-a-number"),
        ((progress(), progress(seconds=0.0)), (), "no-window"),
        ((progress(lag=1001, seconds=0.0),), (), "lagging"),
    ],
)
def test_groups_keep_up(seen: tuple[Progress, ...], missing: tuple[str, ...], reason: str) -> None:
    """Of several troubles the worst is the reason; what is wrong with one group outranks that another is missing."""
    see(bus.keeps_up(consumption(seen, missing), LIMITS), reason, "keeps-up")


def test_a_group_that_nothing_is_told_of_is_missing() -> None:
    """Who was looked for is known: groups that keep up say nothing of one that is not among them."""
    seen = consumption((progress(),), (), ("g", "t"))
    see(bus.keeps_up(seen, LIMITS), "group-missing")
    see(bus.no_old_pending(seen, LIMITS), "group-missing")


@pytest.mark.parametrize(
    ("seen", "missing", "reason"),
    [
        ((progress(),), (), "none-old"),
        ((progress(pending=(9, 9), idle_s=59),), (), "none-old"),
        ((progress(pending=(9, 9), idle_s=60),), (), "none-old"),
        ((progress(pending=(9, 9), idle_s=61),), (), "old-pending"),
        ((progress(pending=(9, 9), idle_s=float("nan")),), (), "old-pending"),
        ((progress(pending=(1, 9), idle_s=61),), (), "growing"),  # E-OON-5 judges it
        ((GROWS, progress(pending=(9, 9), idle_s=61)), GONE, "old-pending"),
        ((progress(),), GONE, "group-missing"),
        ((), (), "no-groups"),
        ((progress(pending=(1, 9), idle_s=61, seconds=NAN),), (), "old-pending"),
        ((progress(pending=(1, 9), idle_s=9, seconds=NAN),), (), "not-a-number"),
    ],
)
def test_no_delivery_waits_for_long(
    seen: tuple[Progress, ...], missing: tuple[str, ...], reason: str
) -> None:
    """Above the limit a still set of deliveries is old."""
    found = bus.no_old_pending(consumption(seen, missing), LIMITS)
    see(found, reason, "none-old", "growing")


@pytest.mark.parametrize(
    ("kind", "length", "reason"),
    [
        ("stream", 0, "nothing-rerouted"),
        ("stream", 1, "rerouted-unread"),
        ("none", 0, "stream-missing"),
        ("string", 0, "stream-missing"),
    ],
)
def test_nothing_rerouted_is_left(kind: str, length: int, reason: str) -> None:
    """A stream that is not there is not an empty one."""
    stream = StreamState.none("emergency", "s", kind).model_copy(update={"length": length})
    see(bus.emptied(stream), reason, "nothing-rerouted")

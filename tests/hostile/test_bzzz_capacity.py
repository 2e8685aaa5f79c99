"""What is told of nodes' use, of the days behind it and of latency, when their series are missing, odd or too many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.capacity import test_capacity as checks
from checks.bzzz.capacity.criteria.outlook import no_slower
from opsverify.model.observation import Unobservable
from systems.bzzz.capacity import client as capacity_client
from systems.bzzz.capacity.models import Latency, Percentiles
from systems.bzzz.capacity.observations import dht_latency, dht_latency_before
from systems.bzzz.client import open_bzzz
from systems.bzzz.network.target import NodeTarget
from tests.hostile import bzzz_looking
from tests.hostile.bzzz_exporters import days, prometheus
from tests.hostile.bzzz_looking import LIMITS, section
from tests.hostile.servers import ESCAPES, Play, closes, http, page, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

outcome = partial(bzzz_looking.outcome, deadline=8)
verdict = partial(bzzz_looking.verdict, deadline=8)
NAN, INF = float("nan"), float("inf")
PART, TOO_FEW = "UNKNOWN part-missing", "UNKNOWN too-few-days"
UNEXPECTED = "UNKNOWN unexpected-reply"
CPU, IOWAIT, MEMORY, DISK, NETWORK = (
    'mode="idle"',
    'mode="iowait"',
    "MemAvailable",
    "filesystem_avail",
    "network_speed",
)
WELL: dict[str, Any] = {
    CPU: [("a", 0.3), ("b", 0.2)],
    MEMORY: [("a", 0.3), ("b", 0.2)],
    DISK: [({"instance": "a", "mountpoint": "/"}, 0.3), ({"instance": "b", "mountpoint": "/"}, 0.2)],
}
BOTH = ("a", "b")


def target(stage: Stage, told: dict[str, Any], **more: Any) -> Any:
    """A target whose Prometheus tells this."""
    return section(prometheus={"url": stage.http(prometheus(told, **more))}, limits={**LIMITS})


USES = [
    case({}, "PASS cpu-below", id="well"),
    case({CPU: [("a", 0.3), ("b", 0.71)]}, "FAIL cpu-high", id="one too much"),
    case({MEMORY: [("a", 0.7), ("b", 0.1)]}, "FAIL memory-high", id="one at its limit"),
    case({CPU: [("a", INF), ("b", 0.1)]}, "FAIL cpu-high", id="infinite"),
    case({CPU: [("a", NAN), ("b", 0.1)]}, "UNKNOWN empty", id="NaN"),
    case({CPU: []}, "UNKNOWN empty", id="no series at all"),
    case({DISK: []}, "UNKNOWN empty", id="no disk at all"),
    case({CPU: [("a", 0.3)]}, PART, id="one node is missing"),
    case({CPU: [("a", 0.9)]}, "FAIL cpu-high", id="one node is missing, another is too much"),
    case({CPU: [("a", 0.3), ("b", 0.1), ("gone", 0.9)]}, PART, id="a node that is scraped no more"),
    case({MEMORY: [("a", -0.2), ("b", 0.1)]}, PART, id="less than nothing"),
    case({MEMORY: [("a", -0.2), ("b", -0.1)]}, UNEXPECTED, id="all less than nothing"),
    case({MEMORY: [("a", -0.2), ("b", 0.9)]}, "FAIL memory-high", id="less than nothing, another too much"),
    case({CPU: [("a", -1e-12), ("b", 0.1)]}, "PASS cpu-below", id="nothing, but for rounding"),
    case({MEMORY: [("a", -INF), ("b", 0.1)]}, PART, id="minus infinity"),
    case(
        {CPU: [({"instance": "a", "cpu": str(n)}, 0.1 + n / 100) for n in range(64)] + [("b", 0.2)]},
        "FAIL cpu-high",
        id="many of one node, the last too much",
    ),
    case(
        {DISK: [({"instance": "a", "mountpoint": f"/{n}"}, 0.1) for n in range(600)] + [("b", 0.9)]},
        "FAIL disk-high",
        id="many, the last too much",
    ),
    case({CPU: [("a", "many"), ("b", 0.1)]}, UNEXPECTED, id="a word for a number"),
    case({CPU: [("a", None), ("b", 0.1)]}, UNEXPECTED, id="null for a number"),
    case({CPU: b"[" * 100_000}, UNEXPECTED, id="deeply nested"),
    case({CPU: b"<html>Sign in</html>"}, UNEXPECTED, id="HTML"),
    case({CPU: b'{"status": "error", "errorType": "bad_data", "error": "x"}'}, UNEXPECTED, id="an error"),
    case(
        {CPU: b'{"status": "success", "data": {"resultType": "matrix", "result": []}}'},
        UNEXPECTED,
        id="a matrix",
    ),
]


@pytest.mark.parametrize(("told", "expected"), USES)
async def test_use_that_is_missing_or_odd(stage: Stage, told: dict[str, Any], expected: str) -> None:
    """Every node that is scraped has to tell a share; one that is too much fails, whatever others do not tell."""
    part = target(stage, {**WELL, **told}, nodes=BOTH)
    assert await verdict(checks.test_nodes_use_less_than_their_limits, part) == expected


async def test_a_node_that_is_not_even_scraped_is_missed(stage: Stage) -> None:
    """Two nodes that are well do not speak for the third one of the target, which Prometheus was never told of."""
    part = target(stage, WELL, nodes=BOTH)
    three = {
        name: NodeTarget(host=name, agent=f"http://{name}:8080") for name in ("walnut", "ironwood", "acacia")
    }
    seen = await outcome(
        checks.test_nodes_use_less_than_their_limits, part.model_copy(update={"nodes": three})
    )
    assert (seen.verdict, seen.reason) == ("UNKNOWN", "part-missing")
    assert "2 nodes are scraped as job node, and the target has 3" in seen.explanation


async def test_a_node_that_is_down_is_named(stage: Stage) -> None:
    """Its series have gone with it: what is said of the others is not said of all."""
    told = {**WELL, CPU: [("a", 0.3)], "node_uname_info": [({"instance": "b", "nodename": "acacia"}, 1)]}
    part = target(stage, told, nodes=BOTH, down=("b",))
    seen = await outcome(checks.test_nodes_use_less_than_their_limits, part)
    assert (seen.verdict, seen.reason) == ("UNKNOWN", "part-missing")
    assert "acacia: no series, its scrape is down connection refused" in seen.explanation


async def test_labels_may_hold_anything(stage: Stage) -> None:
    """They are shown without what drives a terminal, and bounded."""
    labels = {"instance": "a", "mountpoint": ESCAPES + "x" * 5000, "": "\ud800"}
    part = target(stage, {**WELL, DISK: [(labels, 0.99), ("b", 0.1)]}, nodes=BOTH)
    seen = await outcome(checks.test_nodes_use_less_than_their_limits, part)
    assert seen.reason == "disk-high"
    assert "\x1b" not in seen.model_dump_json()
    assert len(seen.model_dump_json()) < 10_000


SPEED = {"instance": "a", "device": "eth0"}
LINES = [
    case([(SPEED, 0.2)], "PASS network-below", id="well"),
    case([(SPEED, 0.0)], "PASS network-below", id="idle"),
    case([(SPEED, 0.7)], "FAIL network-high", id="full"),
    case([(SPEED, -0.001)], "UNKNOWN empty", id="a speed of -1"),
    case([(SPEED, "-0")], "UNKNOWN empty", id="idle, and a speed of -1"),
    case([(SPEED, "-0"), ({**SPEED, "device": "eth1"}, 0.9)], "FAIL network-high", id="one of them known"),
    case([(SPEED, 0.2), ("b", -0.001)], "UNKNOWN part-missing", id="of one node no line is known"),
    case([(SPEED, 0.9), ("b", -0.001)], "FAIL network-high", id="the same, and the other is full"),
    case([(SPEED, NAN)], "UNKNOWN empty", id="a speed of 0, idle"),
    case([(SPEED, INF)], "FAIL network-high", id="a speed of 0"),
    case([], "UNKNOWN empty", id="no speed told"),
]


@pytest.mark.parametrize(("told", "expected"), LINES)
async def test_lines_without_a_speed(stage: Stage, told: list[Any], expected: str) -> None:
    """A line whose speed nobody knows is not called free."""
    part = target(stage, {NETWORK: told})
    assert await verdict(checks.test_lines_are_not_full, part) == expected


async def test_waiting_for_disks_is_judged_as_use_is(stage: Stage) -> None:
    """Too much fails, nothing told is UNKNOWN."""
    for told, expected in ((0.19, "PASS io-wait-below"), (0.2, "FAIL io-wait-high"), (NAN, "UNKNOWN empty")):
        part = target(stage, {IOWAIT: [("a", told)]})
        assert await verdict(checks.test_nodes_do_not_wait_for_disks, part) == expected
    assert await verdict(checks.test_nodes_do_not_wait_for_disks, target(stage, {})) == "UNKNOWN empty"


PAST: dict[str, Any] = {name: [("a", days(14))] for name in (CPU, MEMORY, DISK)}
PASTS = [
    case({}, "PASS cpu-lasts", id="well"),
    case({DISK: [("a", days(14, 0.6, slope=0.01))]}, "FAIL disk-full-soon", id="full in ten days"),
    case({DISK: []}, TOO_FEW, id="no disk"),
    case({DISK: [("a", days(1))]}, TOO_FEW, id="a day of the disk"),
    case({CPU: [], MEMORY: [], DISK: []}, "UNKNOWN empty", id="nothing"),
    case({DISK: [("a", days(14, ago_s=5 * 86400))]}, TOO_FEW, id="a disk that is gone"),
    case({DISK: [("a", days(14, NAN))]}, TOO_FEW, id="NaN all the time"),
    case({DISK: [("a", [[at, "+Inf"] for at, _ in days(14)])]}, TOO_FEW, id="infinite all the time"),
    case({DISK: [("a", [])]}, TOO_FEW, id="a series without a point"),
    case(
        {DISK: [({"instance": "a", "mountpoint": f"/{n}"}, days(4)) for n in range(6)]},
        UNEXPECTED,
        id="more than are looked at",
    ),
    case({DISK: [("a", [[1e18, "0.5"], *days(14)])]}, UNEXPECTED, id="an instant beyond any"),
    case({DISK: [("a", [["soon", "0.5"]])]}, UNEXPECTED, id="a word for an instant"),
    case({DISK: b"x"}, UNEXPECTED, id="no JSON"),
]


@pytest.mark.parametrize(("told", "expected"), PASTS)
async def test_days_that_are_missing_or_odd(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], expected: str
) -> None:
    """Without some days of each resource there is no projection, and no pass."""
    monkeypatch.setattr(capacity_client, "_MOST_TRAILS", 7)
    part = target(stage, {**PAST, **told})
    assert await verdict(checks.test_no_limit_is_reached_soon, part) == expected


@pytest.mark.parametrize("history", [3, 7, 10, 14, 30, 365])
async def test_any_number_of_days_is_asked_for_in_whole_seconds(stage: Stage, history: float) -> None:
    """PromQL's durations are whole numbers with a unit: no fraction, and no exponent."""
    part = section(
        prometheus={"url": stage.http(prometheus(PAST))}, limits={**LIMITS, "history_days": history}
    )
    seen: list[str] = []
    async with open_bzzz(part) as client:
        original = client.prometheus.range

        async def noting(query: str, **more: Any) -> Any:
            seen.append(query.split("[")[1].split("]", maxsplit=1)[0] if "[" in query else "1s")
            return await original(query, **more)

        client.prometheus.range = noting  # type: ignore[method-assign]
        await client.capacity.trails()
    assert len(seen) == 3
    assert all(window.removesuffix("s").isdecimal() for window in seen)


def histogram(count: Any = 30, half: Any = 0.01, high: Any = 0.02, **labels: str) -> dict[str, Any]:
    """What is told of puts."""
    who = labels or {"operation": "put"}
    return {
        "histogram_quantile(0.5": [(who, half)],
        "histogram_quantile(0.95": [(who, high)],
        "increase": [(who, count)],
    }


def before(half: float = 0.01, high: float = 0.02, operation: str = "put", window_s: float = 300) -> Latency:
    """What an earlier run measured."""
    then = Percentiles(operation=operation, p50=half, p95=high, count=30)
    return Latency.model_validate(
        {"at": "2026-11-01T00:00:00Z", "window_s": window_s, "operations": [then.model_dump()]}
    )


EARLIER = [
    case(histogram(), before(), "latency-as-before", id="as before"),
    case(histogram(), before(0.0, 0.0), "latency-grown", id="nothing then"),
    case(histogram(), None, "precondition", id="no earlier run"),
    case(histogram(), before(operation="get"), "operations-differ", id="of another target"),
    case(histogram(), before(window_s=60), "windows-differ", id="over another window"),
    case({}, before(), "empty", id="nothing now"),
    case(histogram(half=NAN, high=NAN), before(), "empty", id="all in +Inf"),
    case(histogram(half=INF, high=INF), before(), "empty", id="infinite"),
    case(histogram(count=0), before(), "empty", id="none counted"),
    case(histogram(count=NAN), before(), "empty", id="a count of NaN"),
    case(histogram(count="many"), before(), "unexpected-reply", id="a word"),
]


@pytest.mark.parametrize(("told", "earlier", "reason"), EARLIER)
async def test_what_latency_is_compared_with(
    stage: Stage, told: dict[str, Any], earlier: Latency | None, reason: str
) -> None:
    """Only the same operations over the same window are compared; anything else is UNKNOWN and says what to do."""
    part = target(stage, told)
    async with open_bzzz(part) as client:
        try:
            then = await dht_latency_before.function(client, baseline=earlier)
            seen = no_slower(then, await dht_latency.function(client), part.limits).reason
        except Unobservable as why:
            seen = why.kind.value
    assert seen == reason


@pytest.mark.parametrize(
    ("play", "expected"),
    [
        case(silent, "UNKNOWN silent", id="silent"),
        case(closes, "UNKNOWN reset", id="closes"),
        case(http(page({}, status=503)), "UNKNOWN server-error", id="503"),
        case(http(page({}, status=401)), "UNKNOWN denied", id="401"),
    ],
)
async def test_a_prometheus_that_does_not_answer(stage: Stage, play: Play, expected: str) -> None:
    """Nothing of the nodes is known then."""
    part = section(prometheus={"url": stage.http(play)})
    told = await bzzz_looking.verdict(checks.test_nodes_use_less_than_their_limits, part, deadline=0.7)
    assert told == expected

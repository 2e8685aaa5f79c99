"""What the checks say when Prometheus, Grafana or Elasticsearch misbehave, looked at in this process."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.esper.infra.criteria import scraped
from opsverify.probes.prometheus import duration_s
from systems.esper.infra.models import ScrapeTarget, Scraping
from systems.esper.limits import EsperLimits
from tests.hostile.looking import section, verdicts
from tests.hostile.servers import (
    ESCAPES,
    MIB,
    Act,
    Play,
    bomb,
    closes,
    drips,
    endless,
    http,
    nissa,
    page,
    resets,
    says,
    silent,
)
from tests.hostile.tables import case

if TYPE_CHECKING:
    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

NOW = 1_795_252_002.8
STAMP = "2026-11-21T09:06:42.123456789Z"
LOGIN = page(f"<!DOCTYPE html><title>Sign in</title>{ESCAPES}", kind="text/html")
SERIES = "/api/v1/query?query=" + quote('esper_training_runs_total{job="nissa"}', safe="")


def target(**said: Any) -> dict[str, Any]:
    """An active target as Prometheus tells it, but for what is `said`."""
    known = {
        "labels": {"job": "nissa", "instance": "a:9100"},
        "scrapeUrl": "http://a:9100/metrics",
        "health": "up",
        "lastError": "",
        "lastScrape": STAMP,
        "scrapeInterval": "1s",
    }
    return {k: v for k, v in {**known, **said}.items() if v is not None}


def success(data: object, **more: object) -> Act:
    """An answer of Prometheus's API."""
    return page({"status": "success", "data": data, **more})


def targets(*of: object, **more: object) -> Act:
    """The page of active targets."""
    return success({"activeTargets": list(of), "droppedTargets": []}, **more)


def prometheus(**acts: Act) -> Play:
    """A Prometheus that is well but for `acts`: ready, targets, series, clock."""
    well = {
        "ready": page("Prometheus Server is Ready.\n", kind="text/plain"),
        "targets": targets(target()),
        "series": success({"resultType": "vector", "result": [{"metric": {}, "value": [NOW, "4"]}]}),
        "clock": success({"resultType": "scalar", "result": [NOW, str(NOW)]}),
    } | acts
    at = {"/-/ready": "ready", "/api/v1/targets?state=active": "targets", SERIES: "series"}
    at["/api/v1/query?query=time()"] = "clock"
    return http({path: well[name] for path, name in at.items()})


PROMETHEUS = [
    case(prometheus(), "PASS job-configured", id="well"),
    case(
        prometheus(targets=targets(target(), warnings=["slow"])), "PASS job-configured", id="with a warning"
    ),
    case(prometheus(targets=targets(target(scrapeInterval=None))), "PASS job-configured", id="before 2.29"),
    case(prometheus(ready=page("Not Ready", status=503)), "FAIL server-error", id="not ready"),
    case(prometheus(ready=page(status=401)), "UNKNOWN denied", id="a login is needed"),
    case(prometheus(ready=LOGIN, targets=LOGIN), "UNKNOWN unexpected-reply", id="a proxy's login page"),
    case(prometheus(targets=page(status=500)), "FAIL server-error", id="the API fails"),
    case(
        prometheus(targets=page({"status": "error", "error": "no"})),
        "UNKNOWN unexpected-reply",
        id="an error",
    ),
    case(prometheus(targets=page([1])), "UNKNOWN unexpected-reply", id="a list"),
    case(prometheus(targets=page(b"[" * 100_000)), "UNKNOWN unexpected-reply", id="deep nesting"),
    case(prometheus(targets=success({})), "UNKNOWN unexpected-reply", id="no activeTargets"),
    case(prometheus(targets=targets(7)), "UNKNOWN unexpected-reply", id="a target that is a number"),
    case(
        prometheus(targets=targets(target(health="fine"))), "UNKNOWN unexpected-reply", id="an unknown health"
    ),
    case(prometheus(targets=targets(target(lastScrape="soon"))), "UNKNOWN unexpected-reply", id="no instant"),
    case(
        prometheus(targets=targets(target(scrapeInterval="1 fortnight"))),
        "UNKNOWN unexpected-reply",
        id="no duration",
    ),
    case(
        prometheus(targets=targets(target(health="down", lastError=ESCAPES))), "FAIL target-down", id="down"
    ),
    case(
        prometheus(targets=targets(target(lastScrape="2026-11-21T09:05:42Z"))),
        "FAIL scrape-stale",
        id="stale",
    ),
    case(prometheus(targets=targets(target(labels={"job": "other"}))), "FAIL job-missing", id="another job"),
    case(
        prometheus(series=success({"resultType": "vector", "result": []})),
        "FAIL series-missing",
        id="another program is scraped",
    ),
    case(
        prometheus(clock=success({"resultType": "scalar", "result": [1e300, "x"]})),
        "UNKNOWN unexpected-reply",
        id="a clock beyond all years",
    ),
    case(
        prometheus(clock=success({"resultType": "scalar", "result": [float("nan"), "x"]})),
        "UNKNOWN unexpected-reply",
        id="a clock that is no number",
    ),
    case(prometheus(targets=endless(b"[" * 65536)), "UNKNOWN unexpected-reply", id="without end"),
    case(prometheus(targets=bomb()), "UNKNOWN unexpected-reply", id="a bomb"),
    case(prometheus(targets=page(b" " * 2 * MIB)), "UNKNOWN unexpected-reply", id="two megabytes"),
    case(prometheus(targets=drips(b" " * 60)), "FAIL silent", id="drips"),
    case(silent, "FAIL silent", id="silent"),
    case(resets, "FAIL reset", id="resets"),
    case(closes, "FAIL reset", id="closes"),
    case(says(b"\x00\xff"), "UNKNOWN unexpected-reply", id="no HTTP"),
]


@pytest.mark.parametrize(("play", "expected"), PROMETHEUS)
async def test_a_bad_prometheus(stage: Stage, bus: str, play: Play, expected: str) -> None:
    """Whatever stands where Prometheus should be, E-INF-2 has its verdict, and but for its startup step no other check changes."""
    part = section(bus, stage.http(nissa()), prometheus={"url": stage.http(play)})
    seen = await verdicts(part)
    assert seen.pop("E-INF-2") == expected
    started, (verdict, reason) = seen.pop("E-UP-3b"), expected.split(" ", 1)
    if verdict != "PASS":  # a startup step that cannot be looked at is UNKNOWN, whoever's fault that is
        assert started in (expected, f"UNKNOWN {reason}")
    assert seen.pop("E-OON-7") == "SKIP not armed"
    assert {check: told for check, told in seen.items() if not told.startswith("PASS ")} == {}


@pytest.mark.parametrize(
    ("play", "expected"),
    [
        case(prometheus(targets=targets()), "UNKNOWN no-targets", id="no target"),
        case(
            prometheus(targets=targets(target(health="unknown"))), "UNKNOWN not-scraped-yet", id="not scraped"
        ),
    ],
)
async def test_what_is_not_scraped_yet_is_waited_for(
    stage: Stage, bus: str, play: Play, expected: str
) -> None:
    """A Prometheus that knows no target, or has not scraped it, is looked at again for seconds; then it is UNKNOWN."""
    began = time.monotonic()
    part = section(bus, stage.http(nissa()), prometheus={"url": stage.http(play)})
    assert (await verdicts(part, deadline=12))["E-INF-2"] == expected
    assert 6 < time.monotonic() - began < 12


def grafana(body: object, *, status: int = 200, kind: str = "application/json") -> Play:
    """A Grafana that answers this."""
    return http({"/api/health": page(body, status=status, kind=kind)})


GRAFANA = [
    case(grafana({"database": "ok", "version": "11.0"}), "PASS database-ok", id="well"),
    case(grafana({"database": "failing"}, status=503), "FAIL database-failing", id="its database fails"),
    case(grafana("<html>", status=503, kind="text/html"), "FAIL server-error", id="a proxy's 503"),
    case(grafana("<html>", kind="text/html"), "UNKNOWN unexpected-reply", id="HTML"),
    case(grafana({"database": 7}), "UNKNOWN unexpected-reply", id="a number"),
    case(grafana([]), "UNKNOWN unexpected-reply", id="a list"),
    case(grafana({}, status=401), "UNKNOWN denied", id="a login is needed"),
    case(grafana({}, status=302), "UNKNOWN unexpected-reply", id="a redirect"),
    case(silent, "FAIL silent", id="silent"),
]


@pytest.mark.parametrize(("play", "expected"), GRAFANA)
async def test_a_bad_grafana(stage: Stage, bus: str, play: Play, expected: str) -> None:
    """Whatever stands where Grafana should be, E-INF-3 has its verdict."""
    part = section(bus, stage.http(nissa()), grafana={"url": stage.http(play)})
    assert (await verdicts(part))["E-INF-3"] == expected


def cluster(**said: object) -> Play:
    """An Elasticsearch whose cluster is well but for what is said."""
    known = {
        "cluster_name": "c",
        "status": "green",
        "timed_out": False,
        "number_of_data_nodes": 1,
        "unassigned_shards": 0,
        "initializing_shards": 0,
    }
    return http({"/_cluster/health": page({**known, **said})})


ELASTICSEARCH = [
    case(cluster(), "PASS green", id="green"),
    case(cluster(status="yellow", unassigned_shards=3), "PASS yellow-single-node", id="yellow, one node"),
    case(cluster(status="yellow", number_of_data_nodes=2), "FAIL copies-missing", id="yellow, two nodes"),
    case(cluster(status="red"), "FAIL shards-missing", id="red"),
    case(cluster(status="blue"), "UNKNOWN unexpected-reply", id="blue"),
    case(cluster(timed_out=True), "UNKNOWN unexpected-reply", id="timed out"),
    case(cluster(number_of_data_nodes=-1), "UNKNOWN unexpected-reply", id="fewer than no nodes"),
    case(http({"/_cluster/health": page({}, status=503)}), "FAIL server-error", id="no master"),
    case(http({"/_cluster/health": page({}, status=401)}), "UNKNOWN denied", id="a login is needed"),
    case(resets, "FAIL reset", id="resets"),
]


@pytest.mark.parametrize(("play", "expected"), ELASTICSEARCH)
async def test_a_bad_elasticsearch(stage: Stage, bus: str, play: Play, expected: str) -> None:
    """Whatever stands where Elasticsearch should be, E-INF-3b has its verdict."""
    part = section(bus, stage.http(nissa()), elasticsearch={"url": stage.http(play)})
    assert (await verdicts(part))["E-INF-3b"] == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("1s", 1), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0s", 0), ("1d", 86400)]
)
def test_durations_of_prometheus_are_read(text: str, expected: float) -> None:
    """A duration is read as Prometheus writes it."""
    assert duration_s(text) == expected


@given(st.text(max_size=12))
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Any other text is a ValueError, and no duration is negative."""
    with suppress(ValueError):
        assert duration_s(text) >= 0


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e4), st.sampled_from(["up", "down"]))
def test_a_target_passes_only_if_it_is_up_and_was_scraped_lately(
    age_s: float, interval_s: float, health: Any
) -> None:
    """A target holds exactly if it is up and its last scrape is neither older than the limits allow nor of the future."""
    one = ScrapeTarget(job="nissa", url="u", health=health, error="", age_s=age_s, interval_s=interval_s)
    seen = Scraping.model_validate(
        {"job": "nissa", "targets": (one,), "active": 1, "with_series": 1, "at": STAMP, "warnings": ()}
    )
    limits = EsperLimits()
    slack = limits.scrape_slack.value
    lately = -slack <= age_s <= limits.scrape_intervals.value * interval_s + slack
    assert scraped(seen, limits).holds is (health == "up" and lately)

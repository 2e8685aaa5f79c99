"""What the criteria of Nissa's pages, of Prometheus, Grafana and Elasticsearch say of values that were seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from checks.esper.infra import criteria as infra
from checks.esper.nissa import criteria as nissa
from systems.esper.infra.models import ClusterHealth, GrafanaHealth, ScrapeTarget, Scraping
from systems.esper.limits import EsperLimits
from systems.esper.nissa.models import CoreAlert, NissaHealth, NissaMetrics, NissaSummary, Slo

LIMITS = EsperLimits()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAMILIES = nissa._FAMILIES


@pytest.mark.parametrize(("body", "reason"), [("ok", "alive"), ("degraded", "not-ok"), ("", "not-ok")])
def test_nissa_says_ok(body: str, reason: str) -> None:
    """Any other word than ok is not ok."""
    found = nissa.healthz_ok(NissaHealth(status=200, body=body))
    assert (found.reason, found.holds) == (reason, reason == "alive")


@pytest.mark.parametrize(
    ("invalid", "families", "reason"),
    [
        ("", FAMILIES, "exposed"),
        ("", FAMILIES[1:], "series-missing"),
        ("", (), "series-missing"),
        ("its last line is cut", FAMILIES, "not-an-exposition"),
    ],
)
def test_the_series_are_exposed(invalid: str, families: tuple[str, ...], reason: str) -> None:
    """All six families must be there, on a page that parses."""
    found = nissa.metrics_exposed(NissaMetrics(invalid=invalid, families=families, counters={}))
    assert (found.reason, found.holds) == (reason, reason == "exposed")


def summary(**said: Any) -> NissaSummary:
    """A quiet summary whose first alert is fed."""
    well = {"workload": "running", "alerts": (), "slos": (), "fed_s": {"a": 0.5, "b": None}}
    return NissaSummary.model_validate({**well, **said})


ACTIVE = (CoreAlert(name="a", metric="m", value=5.0, routes=("slack",)),)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "quiet"),
        ({"fed_s": {"a": 60.0}}, "quiet"),
        ({"fed_s": {"a": 60.1}}, "nothing-feeds-them"),
        ({"fed_s": {"a": 60.1}, "workload": "idle"}, "quiet"),
        ({"fed_s": {"a": -61.0}}, "nothing-feeds-them"),
        ({"fed_s": {"a": None}, "workload": "idle"}, "nothing-feeds-them"),
        ({"fed_s": {"a": float("nan")}, "workload": "idle"}, "nothing-feeds-them"),
        ({"fed_s": {"a": -60.1}, "workload": "idle"}, "nothing-feeds-them"),
        ({"fed_s": {"a": -60.0}, "workload": "idle"}, "quiet"),
        ({"fed_s": {}}, "nothing-feeds-them"),
        ({"alerts": ACTIVE}, "alert-active"),
        ({"alerts": ACTIVE, "fed_s": {}}, "alert-active"),
    ],
)
def test_a_quiet_alert_is_one_that_could_fire(said: dict[str, Any], reason: str) -> None:
    """Quiet counts where a metric that feeds an alert came lately; an active alert counts always."""
    found = nissa.alerts_quiet(summary(**said), LIMITS)
    expected = None if reason == "nothing-feeds-them" else reason == "quiet"
    assert (found.reason, found.holds) == (reason, expected)


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        ((), "no-slo"),
        ((0.39,), "slo"),
        ((0.1, 0.4), "slo-breach"),
        ((0.41,), "slo-breach"),
        ((float("nan"),), "slo-breach"),
    ],
)
def test_slos_burn_below_the_line(rates: tuple[float, ...], reason: str) -> None:
    """At the line it is breached."""
    slos = tuple(Slo(name="s", total=10, violations=1, burn_rate=rate) for rate in rates)
    found = nissa.slo_below_breach(summary(slos=slos), LIMITS)
    assert (found.reason, found.holds) == (reason, reason != "slo-breach")


def target(health: str = "up", age_s: float = 1.0, job: str = "nissa") -> ScrapeTarget:
    """A target that is scraped every ten seconds."""
    return ScrapeTarget.model_validate(
        {"job": job, "url": "u", "health": health, "error": "", "age_s": age_s, "interval_s": 10.0}
    )


def scraping(*targets: ScrapeTarget, with_series: int = 1) -> Scraping:
    """What Prometheus scrapes."""
    return Scraping(
        job="nissa", active=len(targets), targets=targets, with_series=with_series, at=NOON, warnings=()
    )


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ((target(),), "scraped"),
        ((target(age_s=32.0),), "scraped"),
        ((target(age_s=32.1),), "scrape-stale"),
        ((target(age_s=-2.0),), "scraped"),
        ((target(age_s=-2.1),), "scrape-stale"),
        ((target(age_s=float("nan")),), "scrape-stale"),
        ((target(), target("down")), "target-down"),
        ((target("unknown"), target("down")), "target-down"),
        ((target("unknown"), target(age_s=99.0)), "scrape-stale"),
        ((target(), target("unknown")), "not-scraped-yet"),
        ((), "no-targets"),
    ],
)
def test_every_target_is_scraped_lately(targets: tuple[ScrapeTarget, ...], reason: str) -> None:
    """Three intervals and the slack are lately; of the future is not; one that waits leaves it open."""
    found = infra.scraped(scraping(*targets), LIMITS)
    expected = None if reason in ("not-scraped-yet", "no-targets") else reason == "scraped"
    assert (found.reason, found.holds) == (reason, expected)


@pytest.mark.parametrize(
    ("targets", "with_series", "job", "series"),
    [
        ((target(),), 1, "job-configured", "nissas-series"),
        ((target(), target()), 1, "job-configured", "series-missing"),
        ((target(job="other"),), 0, "job-missing", "no-targets"),
        ((), 0, "no-targets", "no-targets"),
    ],
)
def test_nissas_job_brings_its_series(
    targets: tuple[ScrapeTarget, ...], with_series: int, job: str, series: str
) -> None:
    """Each target of the job brings them; without a target nothing was looked at."""
    seen = scraping(*targets, with_series=with_series)
    expected = {"job-configured": True, "nissas-series": True, "no-targets": None}
    for found, reason in ((infra.job_configured(seen), job), (infra.brings_nissas_series(seen), series)):
        assert (found.reason, found.holds) == (reason, expected.get(reason, False))


def test_a_target_that_is_not_told_of_leaves_it_open() -> None:
    """As many as Prometheus lists must be there."""
    seen = scraping(target()).model_copy(update={"active": 2})
    for found in (infra.job_configured(seen), infra.scraped(seen, LIMITS), infra.brings_nissas_series(seen)):
        assert (found.reason, found.holds) == ("part-missing", None)


@pytest.mark.parametrize(("database", "reason"), [("ok", "database-ok"), ("failing", "database-failing")])
def test_grafana_has_its_database(database: str, reason: str) -> None:
    """Any other word than ok is a failure."""
    found = infra.database_ok(GrafanaHealth(status=200, database=database, version="11"))
    assert (found.reason, found.holds) == (reason, reason == "database-ok")


@pytest.mark.parametrize(
    ("status", "nodes", "reason"),
    [
        ("green", 1, "green"),
        ("green", 3, "green"),
        ("green", 0, "no-data-nodes"),
        ("yellow", 1, "yellow-single-node"),
        ("yellow", 2, "copies-missing"),
        ("red", 0, "shards-missing"),
    ],
)
def test_the_cluster_has_what_it_can(status: str, nodes: int, reason: str) -> None:
    """Yellow is the best of a single node; green without a data node says nothing."""
    seen = {"cluster": "c", "status": status, "data_nodes": nodes, "unassigned": 1, "initializing": 0}
    found = infra.cluster_healthy(ClusterHealth.model_validate(seen))
    expected = {"green": True, "yellow-single-node": True, "no-data-nodes": None}.get(reason, False)
    assert (found.reason, found.holds) == (reason, expected)

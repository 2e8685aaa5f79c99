"""Criteria of the Prometheus, Grafana and Elasticsearch around Esper-Lite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.infra.models import ClusterHealth, GrafanaHealth, ScrapeTarget, Scraping
    from systems.esper.limits import EsperLimits

__all__ = ["brings_nissas_series", "cluster_healthy", "database_ok", "job_configured", "scraped"]

_MOST = 10


def job_configured(scraping: Scraping) -> Finding:
    """One of Prometheus's jobs is the one that scrapes Nissa."""
    jobs = dict.fromkeys(t.job for t in scraping.targets)
    return first_of(
        fail("job-missing", scraping.targets and not scraping.of_job),
        unknown("no-targets", not scraping.targets),
        unknown("part-missing", len(scraping.targets) < scraping.active),
        ok="job-configured",
    ).finding(
        expected=f"an active target of job {scraping.job}",
        observed=f"{len(scraping.of_job)} of {len(scraping.targets)} active targets have job {scraping.job}",
        details=()
        if scraping.of_job
        else (f"jobs with active targets: {', '.join(list(jobs)[:_MOST]) or 'none'}",),
    )


def scraped(scraping: Scraping, limits: EsperLimits) -> Finding:
    """Every active target is up, and was scraped recently by Prometheus's own clock."""
    down = [t for t in scraping.targets if t.health == "down"]
    stale = [t for t in scraping.targets if t.health == "up" and not _recently_scraped(t, limits)]
    waiting = [t for t in scraping.targets if t.health == "unknown"]
    lines = [f"{t.job} {t.url}: {t.health}: {t.error or 'no lastError'}" for t in down]
    lines += [
        f"{t.job} {t.url}: last scrape {t.age_s:.1f} s ago, scrape interval {t.interval_s:g} s" for t in stale
    ]
    lines += [f"{t.job} {t.url}: not scraped yet" for t in waiting]
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return first_of(
        fail("target-down", down),
        fail("scrape-stale", stale),
        unknown("not-scraped-yet", waiting),
        unknown("no-targets", not scraping.targets),
        unknown("part-missing", len(scraping.targets) < scraping.active),
        ok="scraped",
    ).finding(
        expected=f"every active target up, last scrape at most {limits.scrape_intervals} + {limits.scrape_slack} ago",
        observed=f"of {len(scraping.targets)} active targets {len(down)} down, {len(stale)} stale, {len(waiting)} not scraped yet"
        if lines
        else f"{len(scraping.targets)} active targets, all up and scraped recently"
        if scraping.targets
        else "no active target",
        details=(
            *lines[:_MOST],
            *more,
            *_missing_targets(scraping),
            *(f"Prometheus warns: {w}" for w in scraping.warnings),
        ),
        limits=(
            limits.scrape_intervals.named("scrape_intervals"),
            limits.scrape_slack.named("scrape_slack"),
        ),
    )


def _missing_targets(scraping: Scraping) -> list[str]:
    here = len(scraping.targets)
    return [f"the evidence has {here} of {scraping.active} active targets"] if here < scraping.active else []


def _recently_scraped(target: ScrapeTarget, limits: EsperLimits) -> bool:
    slack = limits.scrape_slack.value
    return -slack <= target.age_s <= limits.scrape_intervals.value * target.interval_s + slack


def brings_nissas_series(scraping: Scraping) -> Finding:
    """The targets of Nissa's job expose Nissa's series: `up` alone would also be 1 for another exporter on its port."""
    expected = len(scraping.of_job)
    lacking = scraping.with_series < expected
    return first_of(
        fail("series-missing", lacking),
        unknown("no-targets", not expected),
        unknown("part-missing", len(scraping.targets) < scraping.active),
        ok="nissas-series",
    ).finding(
        expected=f"esper series from each of the {expected} targets of job {scraping.job}",
        observed=f"esper series from {scraping.with_series} of {expected} targets",
        details=tuple(
            f"scrape URL {t.url}: does another exporter answer there (9100 is also node-exporter's port)?"
            for t in scraping.of_job[:_MOST]
        )
        if lacking
        else (),
    )


def database_ok(health: GrafanaHealth) -> Finding:
    """Grafana's database answers; without it there is no dashboard and no login."""
    return first_of(fail("database-failing", health.database != "ok"), ok="database-ok").finding(
        expected="/api/health says database ok",
        observed=f"HTTP {health.status}, database {health.database}, version {health.version}",
    )


def cluster_healthy(health: ClusterHealth) -> Finding:
    """The cluster has every primary shard, and every replica that it has a node for.

    Yellow means that replicas are missing and no data is. A single data node cannot hold replicas, so yellow passes
    there; with more data nodes it fails, since the next node that fails may take data with it.
    """
    yellow, alone = health.status == "yellow", health.data_nodes == 1
    judged = first_of(
        fail("shards-missing", health.status == "red"),
        fail("copies-missing", yellow and not alone),
        unknown("no-data-nodes", not health.data_nodes),
        fine("yellow-single-node", yellow),
        ok="green",
    )
    meanings = {
        "copies-missing": f"{health.unassigned} shards unassigned, {health.initializing} initializing: replicas are missing, no data yet",
        "shards-missing": f"{health.unassigned} shards unassigned, primaries among them: their data can be neither read nor written, and Nissa's index calls fail",
        "yellow-single-node": "a single data node cannot hold replicas: yellow is its best status",
    }
    return judged.finding(
        expected="status green, or yellow with a single data node",
        observed=f"cluster {health.cluster} is {health.status} with {health.data_nodes} data nodes",
        details=(meanings[judged.reason],) if judged.reason in meanings else (),
    )

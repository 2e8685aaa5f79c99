"""What must hold of the Prometheus, Grafana and Elasticsearch around Esper-Lite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.infra.models import ClusterHealth, GrafanaHealth, ScrapeTarget, Scraping
    from systems.esper.limits import EsperLimits

__all__ = ["brings_nissas_series", "cluster_healthy", "database_ok", "job_configured", "scraped"]

_MOST = 10


def job_configured(seen: Scraping) -> Finding:
    """One of Prometheus's jobs is the one that scrapes Nissa."""
    jobs = dict.fromkeys(t.job for t in seen.targets)
    return first_of(
        fail("job-missing", seen.targets and not seen.of_job),
        unknown("no-targets", not seen.targets),
        unknown("part-missing", len(seen.targets) < seen.active),
        ok="job-configured",
    ).finding(
        expected=f"an active target of job {seen.job}",
        observed=f"{len(seen.of_job)} of {len(seen.targets)} active targets are of job {seen.job}",
        details=()
        if seen.of_job
        else (f"jobs with active targets: {', '.join(list(jobs)[:_MOST]) or 'none'}",),
    )


def scraped(seen: Scraping, limits: EsperLimits) -> Finding:
    """Every active target is up, and was scraped lately by Prometheus's own clock."""
    down = [t for t in seen.targets if t.health == "down"]
    stale = [t for t in seen.targets if t.health == "up" and not _lately(t, limits)]
    waiting = [t for t in seen.targets if t.health == "unknown"]
    shown = [f"{t.job} {t.url}: {t.health}: {t.error or 'no error told'}" for t in down]
    shown += [
        f"{t.job} {t.url}: last scraped {t.age_s:.1f} s ago, every {t.interval_s:g} s expected" for t in stale
    ]
    shown += [f"{t.job} {t.url}: not scraped yet" for t in waiting]
    more = [f"and {len(shown) - _MOST} more"] if len(shown) > _MOST else []
    return first_of(
        fail("target-down", down),
        fail("scrape-stale", stale),
        unknown("not-scraped-yet", waiting),
        unknown("no-targets", not seen.targets),
        unknown("part-missing", len(seen.targets) < seen.active),
        ok="scraped",
    ).finding(
        expected=f"every active target up, its last scrape at most {limits.scrape_intervals} and {limits.scrape_slack} old",
        observed=f"{len(down)} down, {len(stale)} stale, {len(waiting)} not scraped yet of {len(seen.targets)}"
        if shown
        else f"all {len(seen.targets)} up and scraped lately",
        details=(*shown[:_MOST], *more, *(f"Prometheus warns: {w}" for w in seen.warnings)),
        limits=(
            limits.scrape_intervals.named("scrape_intervals"),
            limits.scrape_slack.named("scrape_slack"),
        ),
    )


def _lately(target: ScrapeTarget, limits: EsperLimits) -> bool:
    slack = limits.scrape_slack.value
    return -slack <= target.age_s <= limits.scrape_intervals.value * target.interval_s + slack


def brings_nissas_series(seen: Scraping) -> Finding:
    """What is scraped under Nissa's job is Nissa: another exporter on its port is up as well."""
    expected = len(seen.of_job)
    lacking = seen.with_series < expected
    return first_of(
        fail("series-missing", lacking),
        unknown("no-targets", not expected),
        unknown("part-missing", len(seen.targets) < seen.active),
        ok="nissas-series",
    ).finding(
        expected=f"esper series from each of the {expected} targets of job {seen.job}",
        observed=f"from {seen.with_series}",
        details=tuple(
            f"scraped: {t.url}; does another exporter answer there (9100 is node-exporter's port too)?"
            for t in seen.of_job[:_MOST]
        )
        if lacking
        else (),
    )


def database_ok(health: GrafanaHealth) -> Finding:
    """Grafana's database answers; without it there is no dashboard and no login."""
    return first_of(fail("database-failing", health.database != "ok"), ok="database-ok").finding(
        expected="Grafana with its database ok",
        observed=f"{health.status}, database {health.database}, version {health.version}",
    )


def cluster_healthy(health: ClusterHealth) -> Finding:
    """The cluster has every shard, and every copy that it has a node for.

    Yellow means that no data is missing but copies are: on a single data node there is no place for a copy, so it
    passes; on more than one it does not, since the next node that fails may take data with it.
    """
    yellow, alone = health.status == "yellow", health.data_nodes == 1
    judged = first_of(
        fail("shards-missing", health.status == "red"),
        fail("copies-missing", yellow and not alone),
        unknown("no-data-nodes", not health.data_nodes),
        fine("yellow-single-node", yellow),
        ok="green",
    )
    told = {
        "copies-missing": f"{health.unassigned} shards unassigned, {health.initializing} being restored now; no data is missing yet",
        "shards-missing": f"{health.unassigned} shards unassigned: what they hold can neither be read nor written; Nissa's index calls fail",
        "yellow-single-node": "a single data node has no place for copies: yellow is its best",
    }
    return judged.finding(
        expected="green, or yellow on a single data node",
        observed=f"cluster {health.cluster} is {health.status} with {health.data_nodes} data nodes",
        details=(told[judged.reason],) if judged.reason in told else (),
    )

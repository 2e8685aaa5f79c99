"""What must hold of the Prometheus, Grafana and Elasticsearch around Esper-Lite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.infra import ClusterHealth, GrafanaHealth, ScrapeTarget, Scraping

__all__ = ["brings_nissas_series", "cluster_healthy", "database_ok", "job_configured", "scraped"]

_MOST = 10


def job_configured(seen: Scraping) -> Finding:
    """One of Prometheus's jobs is the one that scrapes Nissa."""
    jobs = dict.fromkeys(t.job for t in seen.targets)
    return Finding(
        holds=bool(seen.of_job),
        reason="job-configured" if seen.of_job else "job-missing",
        expected=f"an active target of job {seen.job}",
        observed=f"{len(seen.of_job)} of {len(seen.targets)} active targets are of job {seen.job}",
        details=() if seen.of_job else (f"jobs with active targets: {', '.join(list(jobs)[:_MOST])}",),
    )


def scraped(seen: Scraping, limits: EsperLimits) -> Finding:
    """Every active target is up, and was scraped lately by Prometheus's own clock."""
    down = [t for t in seen.targets if t.health != "up"]
    stale = [t for t in seen.targets if t.health == "up" and not _lately(t, limits)]
    reason = "target-down" if down else "scrape-stale" if stale else "scraped"
    shown = [f"{t.job} {t.url}: {t.health}: {t.error or 'no error told'}" for t in down]
    shown += [
        f"{t.job} {t.url}: last scraped {t.age_s:.1f} s ago, every {t.interval_s:g} s expected" for t in stale
    ]
    more = [f"and {len(shown) - _MOST} more"] if len(shown) > _MOST else []
    return Finding(
        holds=reason == "scraped",
        reason=reason,
        expected=f"every active target up, its last scrape at most {limits.scrape_intervals} and {limits.scrape_slack} old",
        observed=f"{len(down)} down, {len(stale)} stale of {len(seen.targets)}"
        if shown
        else f"all {len(seen.targets)} up and scraped lately",
        details=(*shown[:_MOST], *more, *(f"Prometheus warns: {w}" for w in seen.warnings)),
        limits=(
            limits.scrape_intervals.named("scrape_intervals"),
            limits.scrape_slack.named("scrape_slack"),
        ),
    )


def _lately(target: ScrapeTarget, limits: EsperLimits) -> bool:
    return target.age_s <= limits.scrape_intervals.value * target.interval_s + limits.scrape_slack.value


def brings_nissas_series(seen: Scraping) -> Finding:
    """What is scraped under Nissa's job is Nissa: another exporter on its port is up as well."""
    expected = len(seen.of_job)
    holds = seen.with_series >= expected
    return Finding(
        holds=holds,
        reason="nissas-series" if holds else "series-missing",
        expected=f"esper series from each of the {expected} targets of job {seen.job}",
        observed=f"from {seen.with_series}",
        details=()
        if holds
        else tuple(
            f"scraped: {t.url}; does another exporter answer there (9100 is node-exporter's port too)?"
            for t in seen.of_job[:_MOST]
        ),
    )


def database_ok(health: GrafanaHealth) -> Finding:
    """Grafana's database answers; without it there is no dashboard and no login."""
    holds = health.database == "ok"
    return Finding(
        holds=holds,
        reason="database-ok" if holds else "database-failing",
        expected="Grafana with its database ok",
        observed=f"{health.status}, database {health.database}, version {health.version}",
    )


def cluster_healthy(health: ClusterHealth) -> Finding:
    """The cluster has every shard, and every copy that it has a node for.

    Yellow means that no data is missing but copies are: on a single data node there is no place for a copy, so it
    passes; on more than one it does not, since the next node that fails may take data with it.
    """
    alone = health.data_nodes == 1
    reason = {
        "green": "green",
        "yellow": "yellow-single-node" if alone else "copies-missing",
        "red": "shards-missing",
    }[health.status]
    told = {
        "copies-missing": f"{health.unassigned} shards unassigned, {health.initializing} being restored now; no data is missing yet",
        "shards-missing": f"{health.unassigned} shards unassigned: what they hold can neither be read nor written; Nissa's index calls fail",
        "yellow-single-node": "a single data node has no place for copies: yellow is its best",
    }
    return Finding(
        holds=reason in ("green", "yellow-single-node"),
        reason=reason,
        expected="green, or yellow on a single data node",
        observed=f"cluster {health.cluster} is {health.status} with {health.data_nodes} data nodes",
        details=(told[reason],) if reason in told else (),
    )

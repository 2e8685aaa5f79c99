"""The result as metrics for node-exporter's textfile collector, read alike as OpenMetrics and as Prometheus text.

Only gauges: of all else the two formats have different names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from opsverify.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opsverify.report.model import RunReport

__all__ = ["render_openmetrics", "write_openmetrics"]

_SUCCESS = "opsverify_last_success_timestamp_seconds"
_READABLE = 0o644
_MOST_EARLIER = 16 * 1024 * 1024


def write_openmetrics(path: Path, report: RunReport) -> None:
    """Put the metrics of a redacted `report` into `path` in one step: no reader ever sees half a file.

    Raises:
        OSError: it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{report.run_id}")  # no *.prom: the collector passes it over
    try:
        fresh.write_text(render_openmetrics(report, _last_success(path, report)), encoding="utf-8")
        fresh.chmod(_READABLE)  # node-exporter is another user
        os.replace(fresh, path)  # noqa: PTH105 - says what it does
    finally:
        fresh.unlink(missing_ok=True)


def render_openmetrics(report: RunReport, last_success: float | None) -> str:
    """The metrics of a redacted `report`; `last_success` is the Unix time of the last run before that held its gate."""
    registry = CollectorRegistry()
    run = {"target": report.target, "profile": report.profile or ""}

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, [*run, *labels], registry=registry)

    finished = report.finished.timestamp()
    gauge(
        "opsverify_last_run_timestamp_seconds",
        "Unix time at which the last run that judged the target ended.",
    ).labels(**run).set(finished)
    success = finished if report.exit_status == 0 else last_success
    if success is not None:
        gauge(_SUCCESS, "Unix time at which the last run with exit status 0 ended.").labels(**run).set(
            success
        )
    gauge("opsverify_exit_status", "Exit status of the last run that judged the target.").labels(**run).set(
        report.exit_status
    )
    gauge(
        "opsverify_run_duration_seconds", "Duration of the last run that judged the target, in seconds."
    ).labels(**run).set(report.took)
    verdicts = gauge("opsverify_checks", "Number of checks by verdict.", "verdict")
    for verdict in Verdict:
        verdicts.labels(**run, verdict=verdict.value).set(report.counts.get(verdict, 0))
    _checks(
        report,
        gauge("opsverify_check_verdict", "1 for the verdict of each check.", *_CHECK, "verdict"),
        run,
    )
    _standing(report, gauge, run)
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


_CHECK = ("check", "system", "subsystem", "severity")


def _checks(report: RunReport, verdict: Gauge, run: dict[str, str]) -> None:
    for check in report.checks:
        verdict.labels(
            **run,
            check=check.id,
            system=check.system,
            subsystem=check.subsystem,
            severity=check.severity.value,
            verdict=check.verdict.value,
        ).set(1)


def _standing(report: RunReport, gauge: Callable[..., Gauge], run: dict[str, str]) -> None:
    if report.canary is None:
        return
    checks = {check.id: check for check in report.checks}
    state = gauge("opsverify_check_state", "1 for the state of each check.", *_CHECK, "state")
    since = gauge(
        "opsverify_check_since_timestamp_seconds", "Unix time since which the check is in its state.", *_CHECK
    )
    for one in report.canary.states:
        check = checks[one.check]
        labels = {
            **run,
            "check": check.id,
            "system": check.system,
            "subsystem": check.subsystem,
            "severity": check.severity.value,
        }
        state.labels(**labels, state=one.state).set(1)
        since.labels(**labels).set(one.since.timestamp())
    of = ("system", "subsystem", "window")
    success = gauge(
        "opsverify_success_ratio", "Share of results that passed, of those that passed or failed.", *of
    )
    budget = gauge(
        "opsverify_error_budget_left_ratio", "Share of the error budget that is left: 1 all, 0 none.", *of
    )
    for rate in report.canary.rates:
        where = {
            **run,
            "system": rate.system,
            "subsystem": rate.subsystem,
            "window": rate.window.replace(" ", ""),
        }
        if rate.success is not None and rate.budget_left is not None:
            success.labels(**where).set(rate.success)
            budget.labels(**where).set(rate.budget_left)


def _last_success(path: Path, report: RunReport) -> float | None:
    """Unix time of the last run with exit status 0, from the metrics file of the run before; None if it has none."""
    try:
        if path.stat().st_size > _MOST_EARLIER:
            return None
        text = path.read_text(encoding="utf-8")
        families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    except (OSError, ValueError):  # none yet, or not ours: it is replaced
        return None
    mine = {"target": report.target, "profile": report.profile or ""}
    values = (s.value for f in families if f.name == _SUCCESS for s in f.samples if s.labels == mine)
    return next(values, None)

"""A run's report to start from."""

from __future__ import annotations

from datetime import UTC, datetime

from opsverify.model.verdict import Severity
from opsverify.report.model import RunReport

__all__ = ["report"]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def report() -> RunReport:
    """A live run of no check."""
    return RunReport(
        run_id="ab12cd34",
        opsverify_version="0.1.0",
        target="porch",
        target_file="live.toml",
        kind="live",
        profile="smoke",
        gate=Severity.P1,
        started=NOW,
        finished=NOW,
        took=1.0,
        exit_status=0,
        exit_meaning="the gate holds",
        headline="the gate holds",
        counts={},
    )

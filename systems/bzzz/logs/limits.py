"""Thresholds of the checks on logs."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["LogsLimits"]


class LogsLimits(Limits):
    """Thresholds of the checks on logs."""

    log_file: Limit = Limit(value=1_073_741_824, unit="bytes", source="assumed")
    logs_in_all: Limit = Limit(value=10_737_418_240, unit="bytes a node", source="assumed")
    log_window: Window = Window(value=3600, unit="s", source='runbook "Investigation Steps": --since 1h')
    log_silence: Limit = Limit(value=600, unit="s", source="assumed: age of the newest line")
    log_errors: Limit = Limit(value=20, unit="lines", source="assumed")
    log_lines: Window = Window(value=500, unit="lines read", source="assumed")

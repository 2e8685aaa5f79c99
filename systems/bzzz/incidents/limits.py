"""Thresholds of the incidents that no other area has."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["IncidentsLimits"]


class IncidentsLimits(Limits):
    """Thresholds of the incidents that no other area has."""

    agent_memory: Limit = Limit(
        value=3_865_470_566,
        unit="bytes",
        source="docs/bzzz/bzzz.rules.yml, High Memory Usage: 90 % of the runbook's --limit-memory 4G",
    )
    watched: Window = Window(
        value=86400, unit="s", source='runbook "Recovery Validation": monitor system health for 24 hours'
    )
    watch_gap: Limit = Limit(
        value=0.05, unit="of the time watched", source="assumed: a restart of Prometheus takes no longer"
    )

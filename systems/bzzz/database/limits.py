"""Thresholds of the checks on the PostgreSQL server."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["DatabaseLimits"]

_DAY = 86400
_ASSUMED = "assumed"


class DatabaseLimits(Limits):
    """Thresholds of the checks on the PostgreSQL server."""

    connections: Limit = Limit(value=70, unit="%", source='runbook "Resource Monitoring"')
    connections_high: Limit = Limit(value=90, unit="%", source=_ASSUMED)
    database_size: Limit = Limit(value=50, unit="GB", source=_ASSUMED)
    dead_tuples: Limit = Limit(value=20, unit="% of a table's rows", source="assumed: as autovacuum")
    dead_tuples_least: Limit = Limit(value=1000, unit="rows, fewer are not judged", source=_ASSUMED)
    statistics_age: Limit = Limit(
        value=8 * _DAY, unit="s since a changed table was analyzed", source='runbook "Weekly Maintenance"'
    )
    transaction_age: Limit = Limit(value=3600, unit="s", source=_ASSUMED)
    archive_age: Limit = Limit(value=900, unit="s, while WAL is written", source=_ASSUMED)

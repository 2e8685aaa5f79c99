"""Thresholds of the checks on backups."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits

__all__ = ["BackupsLimits"]

_DAY = 86400
_ASSUMED = "assumed"


class BackupsLimits(Limits):
    """Thresholds of the checks on backups."""

    dump_age: Limit = Limit(value=_DAY, unit="s", source='runbook "Backup Schedule": daily')
    dump_slack: Limit = Limit(value=3600, unit="s that a dump may take longer than the last", source=_ASSUMED)
    dump_shrink: Limit = Limit(value=20, unit="% smaller than those before", source=_ASSUMED)
    clock_ahead: Limit = Limit(
        value=300, unit="s that something may have been written after now, by two clocks", source=_ASSUMED
    )
    export_age: Limit = Limit(value=7 * _DAY, unit="s", source='runbook "Backup Schedule": weekly')
    snapshot_age: Limit = Limit(
        value=8 * _DAY, unit="s", source='runbook "Backup Schedule": weekly, and a day'
    )
    dht_age: Limit = Limit(value=8 * _DAY, unit="s", source=_ASSUMED)
    base_age: Limit = Limit(value=31 * _DAY, unit="s", source=_ASSUMED)

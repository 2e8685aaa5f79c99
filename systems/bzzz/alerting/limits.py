"""Thresholds of the checks on alerts and their notifications."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["AlertingLimits"]


class AlertingLimits(Limits):
    """Thresholds of the checks on alerts and their notifications."""

    alert_gate: Limit = Limit(
        value=1, unit="(0 is P0 … 3 is P3)", source="assumed: the default gate; milder alerts are listed"
    )
    alerting_settle: Limit = Limit(
        value=120,
        unit="s",
        source="assumed: after its start an Alertmanager has heard of every alert again (resend delay 1 min)",
    )
    notify_window: Window = Window(value=3600, unit="s", source="assumed: no notification failed for so long")
    notified: Window = Window(
        value=60, unit="s", source="assumed: group_wait of 30 s, Alertmanager's own default, twice"
    )
    look_back: Window = Window(
        value=86400, unit="s", source="assumed: the alert of an incident fired within a day"
    )
    cleared_for: Limit = Limit(
        value=900,
        unit="s",
        source="assumed: clear for 15 min, and for twice the time that the alert waits to fire",
    )

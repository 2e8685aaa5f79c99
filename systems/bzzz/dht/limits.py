"""Thresholds of the checks on the DHT."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["DhtLimits"]


class DhtLimits(Limits):
    """Thresholds of the checks on the DHT."""

    replication: Limit = Limit(
        value=2, unit="replicas", source="runbook, DHT Replication Failure: average replication factor < 2"
    )
    replication_alone: Limit = Limit(
        value=1, unit="replicas", source="SEMANTICS, BZZZ: an instance at one replica or fewer"
    )
    dht_errors: Limit = Limit(
        value=0.01, unit="", source="runbook, Prometheus Queries for Health: 1 % error budget"
    )
    dht_p95: Limit = Limit(value=1, unit="s", source="assumed: the runbook shows the query and no figure")
    dht_window: Window = Window(value=300, unit="s", source="runbook, High Latency Diagnosis: rate(…[5m])")

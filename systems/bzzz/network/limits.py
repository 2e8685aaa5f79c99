"""Thresholds of the checks on the network between the nodes."""

from __future__ import annotations

from opsverify.model.limits import Limit, Limits, Window

__all__ = ["NetworkLimits"]


class NetworkLimits(Limits):
    """Thresholds of the checks on the network between the nodes."""

    peers: Limit = Limit(
        value=3, unit="peers", source="runbook, P2P Network Partition: alert BZZZInsufficientPeers at < 3"
    )
    bootstrap_hold: Window = Window(
        value=1, unit="s", source="SEMANTICS, BZZZ: the connection must survive a second"
    )
    peers_window: Window = Window(value=5, unit="s", source="SEMANTICS, Everywhere: two samples 5 s apart")
    latency: Limit = Limit(value=1000, unit="ms", source="assumed: the runbook shows latency and no figure")
    pubsub_age: Limit = Limit(
        value=120, unit="s", source="assumed: an active health check looks every minute"
    )

"""The Loki of a BZZZ target."""

from __future__ import annotations

from systems.bzzz.monitoring.target import WebTarget

__all__ = ["LokiTarget"]


class LokiTarget(WebTarget):
    """The Loki that holds BZZZ's logs; `selector` chooses its streams (runbook, "Centralized Logging")."""

    selector: str = '{job="bzzz"}'

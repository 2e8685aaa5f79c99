"""The API of a BZZZ target."""

from __future__ import annotations

from systems.bzzz.published.target import Published

__all__ = ["ApiTarget"]


class ApiTarget(Published):
    """BZZZ's main API (runbook, "Critical Service Endpoints")."""

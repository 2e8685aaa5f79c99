"""The command line of waivers, history and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["PATHS", "declare"]

PATHS = ("--waivers", "--history", "--openmetrics")
"""Options whose values pytest would take for paths to collect from."""


def declare(group: pytest.OptionGroup) -> None:
    """Declare them."""
    group.addoption("--waivers", metavar="FILE", help="accepted failures, instead of the target's own file")
    group.addoption(
        "--history",
        metavar="FILE|URL",
        help="where canary runs are remembered: an SQLite file, a postgresql:// address, or 'off'",
    )
    group.addoption(
        "--openmetrics", metavar="FILE", help="also write the result for node-exporter's textfile collector"
    )

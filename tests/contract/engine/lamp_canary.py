"""A lamp whose canary is run again and again, and everybody that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.engine.project import Project, Ran
    from tests.contract.engine.sinks import Sinks

__all__ = ["CANARY", "TOKEN", "Canary"]

CANARY = ("--profile", "canary", "--target", "live")
TARGET = """
name = "porch"
contact = "#porch"
[lamp]
bulb = "bulb.json"
switch = "switch.json"
[canary]
confirm_after = {confirm}
openmetrics = "../metrics.prom"
ping_url_env = "PING_URL"
"""
TOKEN = "hook-token-0123456789"
SINKS = """
[[notify]]
kind = "webhook"
url_env = "HOOK_URL"
token_env = "HOOK_TOKEN"
[[notify]]
kind = "slack"
url_env = "SLACK_URL"
at_least = "P1"
[[notify]]
kind = "pagerduty"
routing_key_env = "PAGER_KEY"
url_env = "PAGER_URL"
"""


class Canary:
    """A lamp whose canary is run again and again."""

    def __init__(self, project: Project, served: Sinks, *, confirm: float = 0.05, more: str = "") -> None:
        self.project, self.served = project, served
        self.env: Mapping[str, str] = {
            "PING_URL": f"{served.url}/ping",
            "HOOK_URL": f"{served.url}/hook",
            "HOOK_TOKEN": TOKEN,
            "SLACK_URL": f"{served.url}/slack/secret-path-0123456789",
            "PAGER_KEY": "pager-key-0123456789",
            "PAGER_URL": f"{served.url}/pager",
        }
        project.target(more + TARGET.format(confirm=confirm) + SINKS)

    def run(self, *arguments: str) -> Ran:
        """One run to its end."""
        return self.project.run(*CANARY, *arguments, env=self.env)

    def metrics(self) -> dict[str, float]:
        """Values of the samples in the metrics file that have no labels of their own."""
        path = self.project.folder / "metrics.prom"
        return {
            s.name: s.value
            for family in text_string_to_metric_families(path.read_text(encoding="utf-8"))
            for s in family.samples
        }

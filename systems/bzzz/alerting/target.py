"""The Alertmanager of a BZZZ target."""

from __future__ import annotations

from pydantic import field_validator

from opsverify.target.file import address
from systems.bzzz.monitoring.target import WebTarget

__all__ = ["AlertmanagerTarget"]


class AlertmanagerTarget(WebTarget):
    """The Alertmanager that BZZZ's alerts go to.

    `matchers`, all of which must hold, choose BZZZ's alerts. `watchdog` is the alert that always fires, empty where
    there is none. `test_labels` are added to a test alert, so that it is routed to whom BZZZ's alerts are; `receiver`
    is an address that shows what the receiver was sent, where there is one.
    """

    matchers: tuple[str, ...] = ('alertname=~"BZZZ.*|High Memory Usage|Watchdog"',)
    watchdog: str = "Watchdog"
    test_labels: dict[str, str] = {"severity": "none"}
    receiver: str | None = None

    @field_validator("receiver")
    @classmethod
    def _receiver(cls, url: str | None) -> str | None:
        return None if url is None else address(url, ("http", "https"))

"""Models of Alertmanager: alerts, silences, notifications, cleared incidents."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AwareDatetime

from opsverify.model.observation import Observed
from opsverify.model.text import bounded_text
from systems.bzzz.monitoring.models import Rules

__all__ = [
    "Alert",
    "AlertmanagerStatus",
    "Alerts",
    "Cleared",
    "Failures",
    "Matcher",
    "Notifications",
    "Silence",
    "TestAlert",
]

_SIMPLE = re.compile(r"[\w \-/:@|]*(?:\.[*+])?[\w \-/:@|]*")
"""Regular expressions that are fast on any text and mean the same to RE2 and to Python."""
_LONGEST = 400
_RANKS = {
    **dict.fromkeys(("p0", "critical", "page", "emergency"), 0),
    **dict.fromkeys(("p1", "high", "error", "major"), 1),
    **dict.fromkeys(("p2", "warning", "medium", "warn", "minor"), 2),
    **dict.fromkeys(("p3", "low", "info", "informational", "none"), 3),
}


def _in_a_line(text: str) -> str:
    return bounded_text(" ".join(text.split()), _LONGEST)


class Alert(Observed):
    """An alert that has not ended. `silenced_by` and `inhibited_by` are ids; any of them makes it suppressed."""

    name: str
    labels: dict[str, str]
    state: Literal["active", "suppressed", "unprocessed"]
    since: AwareDatetime
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        """The label `severity`, or nothing."""
        return self.labels.get("severity", "")

    @property
    def rank(self) -> int:
        """0 for P0 to 3 for P3. A severity that is not known, or none, counts as the worst."""
        return _RANKS.get(self.severity.strip().lower(), 0)

    @property
    def summary(self) -> str:
        """The alert in one line."""
        more = [f"{k}={v}" for k, v in sorted(self.labels.items()) if k not in {"alertname", "severity"}]
        severity = self.severity or "without severity"
        return _in_a_line(f"{self.name} {severity} since {self.since:%Y-%m-%d %H:%M:%SZ} {' '.join(more)}")


class Matcher(Observed):
    """One condition of a silence on a label."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def may_match(self, text: str) -> bool:
        """Whether it holds for a label's value. A pattern that is not simple may mean anything: then it may."""
        if not self.regex:
            return (self.value == text) is self.equal
        if not _SIMPLE.fullmatch(self.value):
            return True
        return (re.fullmatch(self.value, text) is not None) is self.equal

    @property
    def summary(self) -> str:
        """As Alertmanager writes it."""
        sign = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
        return f"{self.name}{sign[self.equal, self.regex]}{self.value!r}"


class Silence(Observed):
    """A silence that has not ended."""

    id: str
    state: Literal["active", "pending", "expired"]
    matchers: tuple[Matcher, ...]
    starts: AwareDatetime
    ends: AwareDatetime
    by: str = ""
    comment: str = ""

    def may_mute(self, labels: dict[str, str]) -> bool:
        """Whether an alert with at least these labels may be muted: what the alert's other labels are is not known."""
        return all(m.may_match(labels[m.name]) for m in self.matchers if m.name in labels)

    @property
    def summary(self) -> str:
        """The silence in one line."""
        which = ", ".join(m.summary for m in self.matchers)
        until = f"{self.ends:%Y-%m-%d %H:%M:%SZ}"
        return _in_a_line(
            f"silence {self.id} {self.state} until {until} by {self.by}: {self.comment}; on {which or 'everything'}"
        )


class AlertmanagerStatus(Observed):
    """Version and start of the Alertmanager that answered, and the API version. `at` is its own clock, by its Date header;
    `cluster` its cluster status: ready, settling, disabled, or empty where it reports none.
    """

    version: str
    api: Literal["v2", "v1"]
    started: AwareDatetime
    at: AwareDatetime
    cluster: str

    @property
    def identity(self) -> str:
        """Its version and its start."""
        return f"alertmanager {self.version} started {self.started.isoformat(timespec='seconds')}"


class Alerts(Observed):
    """Alerts that the target's matchers choose, and every silence that is not over, at an instant of our clock.

    `watchdog` is the alert that always fires, empty where there is none. There may be more alerts than these where they
    are not the `whole`.
    """

    at: AwareDatetime
    watchdog: str
    server: AlertmanagerStatus
    matchers: tuple[str, ...]
    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...]
    whole: bool


class Notifications(Observed):
    """How many notifications Alertmanager has tried since its start, and how many of them failed, by integration."""

    sent: dict[str, float]
    failed: dict[str, float]

    @property
    def total(self) -> float:
        """All that were tried."""
        return sum(self.sent.values())

    @property
    def total_failed(self) -> float:
        """All that failed."""
        return sum(self.failed.values())


class Failures(Observed):
    """How many notifications were tried and how many failed within `window_s` seconds, by integration, as Prometheus has it."""

    failed: dict[str, float]
    sent: dict[str, float]
    window_s: float
    warnings: tuple[str, ...] = ()


class TestAlert(Observed):
    """A test alert. Notification counters are read before it was posted, and after it was received or time was over."""

    __test__ = False

    id: str
    before: Notifications
    after: Notifications
    took_s: float
    heard: bool | None
    ended: bool


class Cleared(Observed):
    """State of the alert of one incident. `rules` are the alerting rules of its name.

    `active` are its alerts in Alertmanager, `muted_by` silences that may mute it; `fired_at` is when it fired last in
    the look-back, None where it did not; `inputs` the current values of its metric, or why there are none in `missing`.
    """

    alert: str
    rules: Rules
    active: tuple[str, ...]
    muted_by: tuple[str, ...]
    fired_at: AwareDatetime | None
    inputs: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def state(self) -> Literal["firing", "pending", "inactive", "missing"]:
        """The worst of its rules'. One that has none was never evaluated."""
        states = {r.state for r in self.rules.rules}
        for state in ("firing", "pending", "inactive"):
            if state in states:
                return state
        return "inactive" if self.rules.rules else "missing"

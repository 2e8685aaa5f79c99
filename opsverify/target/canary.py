"""Tables of the canary in a target file: thresholds, where the history is kept, receivers of notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from opsverify.model.deadline import seconds
from opsverify.model.table import EnvSecret, Table
from opsverify.model.verdict import Severity

__all__ = ["CanaryTable", "HistoryTable", "NotifyTable"]


class CanaryTable(Table):
    """When a check counts as down, up, without data or flapping, and what a canary leaves beside its reports.

    `down_after` failures and `up_after` successes in a row change a state, `blind_after` runs in a row that could not
    look make it NO DATA, `flapping_changes` between pass and fail in `flapping_runs` runs make it FLAPPING. Numbers
    are counts of runs. `confirm_after` is in seconds, `remind_after` in hours, `keep` in days; `objective` is the share of
    looks that should pass.
    """

    down_after: int = Field(default=3, ge=1, le=100)
    up_after: int = Field(default=2, ge=1, le=100)
    blind_after: int = Field(default=3, ge=1, le=100)
    flapping_changes: int = Field(default=4, ge=2, le=99)
    flapping_runs: int = Field(default=10, ge=3, le=100)
    confirm_after: float = Field(default=5, ge=0, le=20)
    remind_after: float = Field(default=4, gt=0, le=168)
    keep: int = Field(default=35, ge=31, le=3660)
    objective: float = Field(default=0.99, gt=0, lt=1)
    openmetrics: str = ""
    ping_url_env: EnvSecret | None = None

    @field_validator("ping_url_env")
    @classmethod
    def _pings_a_url(cls, url: SecretStr | None) -> SecretStr | None:
        return url and _http(url)

    @model_validator(mode="after")
    def _changes_fit_runs(self) -> CanaryTable:
        if self.flapping_changes >= self.flapping_runs:
            msg = f"flapping_changes = {self.flapping_changes} cannot happen in flapping_runs = {self.flapping_runs}"
            raise ValueError(msg)
        return self

    @property
    def confirming(self) -> timedelta:
        """Time between a failing P0 and its second sample."""
        return seconds(self.confirm_after)

    @property
    def reminding(self) -> timedelta:
        """Time between two reminders of the same trouble."""
        return timedelta(hours=self.remind_after)


class HistoryTable(Table):
    """Where runs are kept: `path` of an SQLite file (the default: one in the user's state folder), or the
    environment variable that holds a PostgreSQL address, for many machines.
    """

    path: str = ""
    url_env: EnvSecret | None = None

    @field_validator("url_env")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in ("postgresql", "postgres"):
            msg = "must hold an address such as postgresql://user:password@host/database"
            raise ValueError(msg)
        return url

    @model_validator(mode="after")
    def _one_place(self) -> HistoryTable:
        if self.path and self.url_env:
            msg = "has both path and url_env; keep one"
            raise ValueError(msg)
        return self


class _Sink(Table):
    """A receiver of notifications. `name` tells two of one kind apart; `at_least` is the lowest severity that is sent."""

    name: str = ""
    at_least: Severity = Severity.P3

    @property
    def title(self) -> str:
        """What the history and warnings call it."""
        return self.name or str(getattr(self, "kind", ""))


class _AtUrl(_Sink):
    url_env: EnvSecret
    token_env: EnvSecret | None = None

    @field_validator("url_env")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        return _http(url)


class AlertmanagerTable(_AtUrl):
    """Alertmanager's API v2: it groups, routes and silences."""

    kind: Literal["alertmanager"]


class SlackTable(_AtUrl):
    """A Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat)."""

    kind: Literal["slack"]


class WebhookTable(_AtUrl):
    """Plain JSON by POST."""

    kind: Literal["webhook"]


class PagerDutyTable(_Sink):
    """PagerDuty's Events API v2; `url_env` for another region's address."""

    kind: Literal["pagerduty"]
    routing_key_env: EnvSecret
    url_env: EnvSecret | None = None

    @field_validator("url_env")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        return url and _http(url)


NotifyTable = Annotated[
    AlertmanagerTable | SlackTable | WebhookTable | PagerDutyTable, Field(discriminator="kind")
]
"""One `[[notify]]` of a target."""


def _http(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = "must hold an address such as https://host/path"
        raise ValueError(msg)
    return url

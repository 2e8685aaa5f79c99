"""Temporal of a State Hub target, and the promised schedule."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import field_validator

from opsverify.target.file import EnvSecret, Table, address

__all__ = ["PromisedSchedule", "TemporalTarget", "step_of"]
_MINUTES = re.compile(r"^\*/(?P<step>\d+) \* \* \* \*$")
_SECONDS = re.compile(r"^\*/(?P<step>\d+) \* \* \* \* \*$")
_HOUR = timedelta(hours=1)


class TemporalTarget(Table):
    """The Temporal frontend that fires the schedule: `grpc://host:7233`, or grpcs:// with TLS.

    `schedule` is the schedule's id if it is neither the definition's id nor its name.
    """

    url: str
    namespace: str = "default"
    schedule: str | None = None
    api_key_env: EnvSecret | None = None
    ca_file: str | None = None

    @field_validator("url")
    @classmethod
    def _grpc(cls, url: str) -> str:
        url = address(url, ("grpc", "grpcs"))
        if urlsplit(url).port is None:
            msg = f"found {url!r}; the port is missing, such as grpc://temporal.example.net:7233"
            raise ValueError(msg)
        return url.rstrip("/")


class PromisedSchedule(Table):
    """The definition that the runbook promises ("Schedule Check")."""

    id: str = "7c4e9a12-8f3b-4d5e-9c6a-1b2d3e4f5a6b"
    name: str = "State Hub Consistency Sweep"
    cron: str = "*/15 * * * *"
    timezone: str = "UTC"
    misfire: str = "skip"
    event_type: str = "consistency_sweep_remote_all"
    source: str = "activity-core"
    manual_sources: tuple[str, ...] = ("manual", "opsverify-canary")
    canary_source: str = "opsverify-canary"

    @field_validator("cron")
    @classmethod
    def _even(cls, cron: str) -> str:
        step_of(cron)
        return " ".join(cron.split())


def step_of(cron: str) -> timedelta:
    """Time between two instants of an even schedule: */N minutes, or with six fields */N seconds.

    Raises:
        ValueError: it is not an even schedule whose instants divide the hour.
    """
    text = " ".join(cron.split())
    for pattern, unit in ((_MINUTES, timedelta(minutes=1)), (_SECONDS, timedelta(seconds=1))):
        match = pattern.match(text)
        if match and int(match["step"]) and not _HOUR % (unit * int(match["step"])):
            return unit * int(match["step"])
    msg = f"{cron[:40]!r} is not understood; right would be */N * * * * (minutes) where N divides 60"
    raise ValueError(msg)

"""Reading the answers of Prometheus's HTTP API: what the clients of all systems share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from opsverify.probes.replies import parse_as

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from opsverify.probes.http import Reply

__all__ = ["DEFAULT_INTERVAL", "Moment", "api_data", "duration_s", "instant"]

T = TypeVar("T")
DEFAULT_INTERVAL = "1m"
"""Prometheus's own scrape interval, where one before 2.29 does not tell."""
_MOST_SHOWN = 300
_FARTHEST_S = 1e11
"""In 3,000 years: later ones are no time stamps, and leave no room to reckon with."""
_MOST_WARNINGS = 10
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_S = (31_536_000, 604_800, 86_400, 3_600, 60, 1, 0.001)


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        msg = f"{at.isoformat()} is no moment of this calendar in UTC"
        raise ValueError(msg) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment of an answer, in UTC: some of those of Prometheus and Alertmanager have their machine's zone."""


def api_data(reply: Reply, adapter: TypeAdapter[T]) -> tuple[T, tuple[str, ...]]:
    """The data of an answer of the API, with its warnings and infos.

    Raises:
        Unobservable: it is no success, or has another shape.
    """
    body = reply.json()
    if not isinstance(body, dict) or body.get("status") != "success":
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{reply.url} answered {reply.shown()}")
    said = [each for key in ("warnings", "infos") if isinstance(body.get(key), list) for each in body[key]]
    shown = tuple(bounded_text(w, _MOST_SHOWN) for w in said[:_MOST_WARNINGS] if isinstance(w, str))
    return parse_as(reply, adapter, body.get("data")), shown


def duration_s(text: str) -> float:
    """Seconds of a duration as Prometheus writes it, such as `1m30s`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        msg = f"{text[:40]!r} is no duration of Prometheus"
        raise ValueError(msg)
    return float(sum(int(n) * unit for n, unit in zip(found.groups(), _UNITS_S, strict=True) if n))


def instant(stamp: float) -> datetime:
    """A time stamp of Prometheus, in seconds since 1970. Raises Unobservable where it is none."""
    if 0 <= stamp < _FARTHEST_S:
        return datetime.fromtimestamp(stamp, UTC)
    raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"Prometheus's clock says {stamp}")

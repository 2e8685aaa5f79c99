"""Parser of activity-core's rows: definitions with their trigger, and ActivityRuns with their results."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.statehub.activity.models import ActivityRun, Definition, Promised
from systems.statehub.sweeps.results import parse_result

__all__ = ["definition_of", "run_of"]

_CRON = ("cron", "cron_expression", "expression", "schedule")
_ZONE = ("timezone", "time_zone", "tz")
_MISFIRE = ("misfire_policy", "misfire")


def _first_of_keys(trigger: dict[str, Any], keys: tuple[str, ...]) -> str:
    value = next((trigger[k] for k in keys if trigger.get(k)), "")
    if isinstance(value, dict):  # the schedule is a nested object
        return _first_of_keys(value, keys)
    return " ".join(str(value).split())[:80]


def _zoned(value: Any, where: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        message = (
            f"{where} is {str(value)[:60]!r} without a time zone; the column must be timestamp with time zone"
        )
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    return value.astimezone(UTC)


def definition_of(rows: list[dict[str, Any]], promised: Promised) -> Definition:
    """The definition with the promised id, else the one with its name."""
    row = next((r for r in rows if r["id"] == promised.id), rows[0] if rows else None)
    if row is None:
        return Definition.absent(promised)
    trigger = row["trigger"]
    if isinstance(trigger, str):
        trigger = {"cron": trigger}
    if not isinstance(trigger, dict) or not isinstance(row["enabled"], bool):
        message = f"definition {row['id']}: unknown shape of trigger {trigger!r:.80} or enabled {row['enabled']!r:.20}"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    return Definition(
        promised=promised,
        found=len(rows),
        id=row["id"],
        name=str(row["name"])[:120],
        cron=_first_of_keys(trigger, _CRON),
        timezone=_first_of_keys(trigger, _ZONE),
        misfire=str(row["misfire"] or _first_of_keys(trigger, _MISFIRE))[:80],
        enabled=row["enabled"],
        trigger=bounded_text(json.dumps(trigger, sort_keys=True, default=str)),
        changed=_zoned(row["changed"], "the definition's last change"),
    )


def run_of(row: dict[str, Any]) -> ActivityRun:
    """One run. Raises Unobservable if its context snapshot is too large or has an unknown shape."""
    where = f"ActivityRun {row['run']}"
    if row["result"] is None and row["size"]:
        message = f"{where}: the sweep result has {row['size']} characters, more than are read"
        raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)
    return ActivityRun(
        run_id=row["run"],
        scheduled_for=_zoned(row["scheduled"], f"{where}: scheduled_for"),
        fired_at=_zoned(row["fired"], f"{where}: fired_at"),
        result=None if row["result"] is None else parse_result(row["result"], where, source=False),
    )

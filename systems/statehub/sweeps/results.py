"""Parser of sweep results in progress events and context snapshots. An unknown shape is unobservable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.model.text import bounded_text
from systems.statehub.sweeps.models import Gaps, Repos, SweepEvent, SweepResult

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["instant", "parse_reply", "parse_result"]

_LISTS = ("items", "results")
_ERRORS = ("error", "automation_error_detail", "message", "reason")
_MOST_NAMES = 500
_MOST = 2**53
_LONGEST_S = 86400


def _unexpected(where: str, problem: str) -> Unobservable:
    return Unobservable(ErrorKind.UNEXPECTED_REPLY, bounded_text(f"{where}: {problem}"))


def _shown(value: Any) -> str:
    return repr(value)[:80]


def instant(value: Any, where: str) -> datetime:
    """An ISO 8601 instant with time zone. Raises Unobservable: without a zone the instant is unknown."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _unexpected(where, f"{_shown(value)} is not an instant") from None
    if moment.utcoffset() is None:
        raise _unexpected(where, f"the time {_shown(value)} has no time zone")
    try:
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _unexpected(where, f"{_shown(value)} is not an instant") from None


def _flag(raw: Mapping[str, Any], key: str, where: str) -> bool:
    value = raw.get(key)
    if not isinstance(value, bool):
        raise _unexpected(where, f"{key} is {_shown(value)}; expected true or false")
    return value


def _whole(value: Any, key: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST:
        raise _unexpected(where, f"{key} is {_shown(value)}; expected a number")
    return value


def _name(item: Any) -> str:
    named = (
        next((item[k] for k in ("repo", "name", "slug", "id") if k in item), item)
        if isinstance(item, dict)
        else item
    )
    return str(named)[:80]


def _repos(raw: Mapping[str, Any], key: str, where: str) -> Repos | None:
    """A number, a list of names or of objects with a name, or an object by name."""
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, list | dict):
        names = tuple(_name(item) for item in list(value)[:_MOST_NAMES])
        return Repos(count=len(value), names=names)
    return Repos(count=_whole(value, key, where), names=None)


def _gaps(item: Any) -> list[str]:
    """Repository and code of one entry, one for each of its codes."""
    if not isinstance(item, dict):
        return [str(item)[:80]]
    codes = next((item[k] for k in ("code", "check", "codes") if k in item), "")
    listed = codes if isinstance(codes, list) else [codes]
    return [f"{_name(item)} {str(code)[:40]}".rstrip() for code in listed]


def _failures(raw: Mapping[str, Any], where: str) -> tuple[int | None, Gaps | None]:
    value = raw.get("assessment_failures")
    if value is None:
        return None, None
    if not isinstance(value, list | dict):
        return _whole(value, "assessment_failures", where), None
    entries = value if isinstance(value, list) else [{"repo": k, "codes": v} for k, v in value.items()]
    gaps = [g for entry in entries for g in _gaps(entry)]
    return len(value), Gaps(count=len(gaps), names=tuple(sorted(gaps[:_MOST_NAMES])))


def _error(raw: Mapping[str, Any]) -> str:
    texts = [raw[k] for k in _ERRORS if raw.get(k)]
    codes = raw.get("automation_errors")
    return bounded_text(
        "; ".join(str(f)[:200] for f in [*texts, *(codes if isinstance(codes, list) else [])])
    )


def _took(raw: Mapping[str, Any]) -> float | None:
    value = next((raw[k] for k in ("duration_seconds", "elapsed_seconds") if k in raw), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LONGEST_S else None


def parse_result(raw: Any, where: str, *, source: bool) -> SweepResult:
    """A sweep's result. `source` says that it must name who started it.

    Raises:
        Unobservable: it is not one, or a required field is missing or of another type.
    """
    if not isinstance(raw, dict):
        raise _unexpected(where, f"{_shown(raw)} is not a sweep result")
    named = raw.get("source")
    if (named is not None or source) and not isinstance(named, str):
        raise _unexpected(where, f"source is {_shown(named)}; expected a name")
    skipped = _flag(raw, "lock_skipped", where)
    exit_code, failed = raw.get("exit_code"), False
    if not skipped or "automation_error" in raw:
        failed = _flag(raw, "automation_error", where)
    if exit_code is not None or not (skipped or failed):
        exit_code = _whole(exit_code, "exit_code", where)
    failures, gaps = _failures(raw, where)
    return SweepResult(
        source=(named or "")[:80],
        lock_skipped=skipped,
        exit_code=exit_code,
        automation_error=failed,
        error=_error(raw),
        assessment_failures=failures,
        gaps=gaps,
        processed=_repos(raw, "repos_processed", where),
        skipped_clean=_repos(raw, "skipped_clean", where),
        skipped_missing=_repos(raw, "skipped_missing", where),
        skipped_budget=_repos(raw, "skipped_budget", where),
        took_s=_took(raw),
    )


def _rows(body: Any, url: str) -> list[Any]:
    if isinstance(body, dict):
        body = next((body[k] for k in _LISTS if k in body), None)
    if not isinstance(body, list):
        raise _unexpected(
            url, f"{json.dumps(body)[:120]} is neither a list nor an object with items or results"
        )
    return body


def parse_reply(body: Any, event_type: str, url: str) -> tuple[tuple[SweepEvent, ...], int]:
    """The events of a progress reply, newest first, each once; and how many appeared twice.

    Raises:
        Unobservable: it is not a list of events of this type, or one of them has an unknown shape.
    """
    events: dict[str, SweepEvent] = {}
    rows = _rows(body, url)
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str | int):
            raise _unexpected(url, f"{_shown(row)} is not an event with an id")
        name = str(row["id"])[:80]
        where = f"event {name}"
        if row.get("event_type", event_type) != event_type:
            raise _unexpected(
                where, f"is of type {_shown(row['event_type'])}, although {event_type} was asked for"
            )
        detail = row.get("detail")
        if isinstance(detail, dict):
            fields: Any = detail
        elif detail is None and "lock_skipped" in row:
            fields = row
        else:
            raise _unexpected(where, f"detail is {_shown(detail)}: it has no sweep result")
        at = instant(row.get("created_at"), where)
        event = SweepEvent(id=name, at=at, result=parse_result(fields, where, source=True))
        if name in events and events[name] != event:
            raise _unexpected(where, "came twice with different contents")
        events[name] = event
    ordered = sorted(events.values(), key=lambda e: (e.at, e.id), reverse=True)
    return tuple(ordered), len(rows) - len(ordered)

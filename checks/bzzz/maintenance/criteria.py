"""Criteria of maintenance: the last trial restore, and the work that is done by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.maintenance.models import DoneByHand, LastRestore

__all__ = ["done_in_time", "restored_lately"]


def _days(age: timedelta) -> str:
    days = age.total_seconds() / 86400
    return f"{days:.1f} days ago" if days >= 0 else f"dated {-days:.1f} days in the future"


def restored_lately(restore: LastRestore, now: datetime, limits: BzzzLimits) -> Finding:
    """A trial restore of a backup succeeded in the last month."""
    last = restore.last
    age = now - last.at if last else None
    judged = first_of(
        fail("never", age is None),
        fail("long-ago", age is not None and age > limits.drill_age.duration),
        fail("from-the-future", age is not None and -age > limits.clock_ahead.duration),
        fail("too-slow", last and not last.took_s <= limits.restore_time.value),
        ok="lately",
    )
    observed = (
        f"{_days(now - last.at)}: {last.dump}, {last.rows} rows of {last.tables} tables in {last.took_s:.0f} s"
        if last
        else "no successful restore on record"
    )
    return judged.finding(
        expected=f"a successful restore that took at most {limits.restore_time}, at most {limits.drill_age.value / 86400:g} days ago",
        observed=observed,
        details=(f"the restore check (B-REC-5b) records it in {restore.record}",),
        limits=tuple(
            getattr(limits, name).named(name) for name in ("drill_age", "clock_ahead", "restore_time")
        ),
    )


def done_in_time(
    done: DoneByHand, items: Sequence[str], period: timedelta, now: datetime, limits: BzzzLimits
) -> Finding:
    """What no program can verify was done by a person within the list's period, by the record that the person keeps."""
    late = [item for item in items if item not in done.done or now - done.done[item] > period]
    ahead = [i for i in items if i in done.done and done.done[i] - now > limits.clock_ahead.duration]
    dates = {item: _days(now - done.done[item]) if item in done.done else "never" for item in items}
    lines = tuple(f"by hand: {item}: {when}" for item, when in dates.items())
    return first_of(
        fail("overdue", late),
        fail("from-the-future", ahead),
        unknown("nothing-listed", not items),
        ok="done",
    ).finding(
        expected=f"done by hand within {period.days} days: {', '.join(items)}",
        observed=f"overdue: {', '.join(late)}"
        if late
        else "; ".join(f"{i}: {w}" for i, w in dates.items()) or "the list is empty",
        limits=(limits.clock_ahead.named("clock_ahead"),),
        details=(*lines, f"recorded in {done.record}"),
    )

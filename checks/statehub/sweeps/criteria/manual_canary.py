"""Criteria of the manual canary: reply within its budget, no error, and a progress event that equals the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.activity.criteria.runs import differences
from checks.statehub.formatting import by_reason
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.statehub.section import StateHubLimits
    from systems.statehub.sweeps.models import ManualCanary, SweepEvent, SweepResult

__all__ = ["canary_worked"]

_REASONS = (
    "no-reply", "automation-error", "exit-code", "over-budget", "no-event", "event-doubled", "differs",
)  # fmt: skip


def _of_reply(reply: SweepResult, canary: ManualCanary, limits: StateHubLimits) -> tuple[str, str] | None:
    """The problem of the reply, if any: reason and text."""
    if reply.automation_error:
        return "automation-error", reply.error or "automation_error without an error text: see its log"
    if reply.exit_code != 0:
        return "exit-code", f"exit_code {reply.exit_code} without automation_error"
    ours = canary.took.total_seconds()
    took = ours if reply.took_s is None else reply.took_s
    if not ours <= limits.canary.value + limits.canary_slack.value:
        took = ours  # its own duration is not believed
    if not took <= limits.canary.value:
        return "over-budget", f"the sweep took {took:.1f} s, budget {limits.canary}"
    return None


def _of_events(events: list[SweepEvent], reply: SweepResult | None) -> tuple[str, str] | None:
    """The problem of its progress event, if any: reason and text."""
    if not events:
        return "no-event", "State Hub recorded no progress event of it"
    if len(events) > 1:
        return "event-doubled", f"{len(events)} progress events: {', '.join(e.id for e in events[:4])}"
    different = differences(reply, events[0].result) if reply else []
    text = f"event {events[0].id} differs from the reply in {', '.join(different)}"
    return ("differs", text) if different else None


def canary_worked(canary: ManualCanary, limits: StateHubLimits) -> Finding:
    """The requested sweep worked within its budget, and its event equals the reply."""
    reply, since = canary.reply, canary.posted - limits.skew.duration
    own = [e for e in canary.events if e.at >= since]
    others = [e for e in (*canary.events, *canary.others) if e not in own]
    skipped = reply is not None and reply.lock_skipped
    troubles = [("no-reply", canary.no_reply)] if reply is None else []
    if not skipped:  # a sweep that the lock skipped leaves no event
        troubles += [t for t in (reply and _of_reply(reply, canary, limits), _of_events(own, reply)) if t]
    problems = by_reason(troubles, _REASONS)
    # The longest time that the canary is followed.
    followed = canary.took + limits.canary.duration + limits.canary_slack.duration * 2
    late = [e.id for e in own if e.at > canary.posted + followed + limits.skew.duration]
    lost = len(canary.events) + len(canary.others) != canary.count
    gaps = reply.assessment_failures if reply else None
    details = [text for _, text in troubles[1:]]
    details += [
        f"its event: {e.id} at {e.at:%H:%M:%S}Z, source {e.result.source}, exit_code {e.result.exit_code}"
        for e in own[:4]
    ]
    details += [f"other new event: {e.id} at {e.at:%H:%M:%S}Z, source {e.result.source}" for e in others[:4]]
    if late:
        details.append(f"dated in the future: {', '.join(late[:4])}")
    if lost:
        details.append(
            f"{canary.count} new events, the evidence has {len(canary.events) + len(canary.others)}"
        )
    if gaps:
        details.append(f"{gaps} assessment failures: follow up, not a failure of this check")
    requested, took = f"requested at {canary.posted:%H:%M:%S}Z", f"after {canary.took.total_seconds():.1f} s"
    observed = f"{requested}, reply {took}"
    if skipped:
        observed = f"{requested}, lock_skipped {took}: another sweep is running; nothing was verified, and no second sweep is requested"
    elif reply is None:
        observed = f"{requested}, no reply {took}; no second sweep is requested"
    if troubles:
        observed += f": {troubles[0][1]}"
    return first_of(
        *(fail(reason, problems[reason]) for reason in _REASONS),
        unknown("clock-ahead", late),
        unknown("part-missing", lost),
        unknown("lock-skipped", skipped),
        ok="worked",
    ).finding(
        expected="a sweep through the bridge works within its budget, and its progress event equals the reply",
        observed=observed,
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("canary", "canary_slack", "skew")),
    )

"""What must hold of the manual canary: it answers within its budget, did its work, and its event says the same."""

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
    """What is wrong with the reply alone, if anything: reason and words."""
    if reply.automation_error:
        return "automation-error", reply.error or "the fault is not named: look into its log"
    if reply.exit_code != 0:
        return "exit-code", f"exit_code {reply.exit_code}, although no automation error is told"
    ours = canary.took.total_seconds()
    took = ours if reply.took_s is None else reply.took_s
    if not ours <= limits.canary.value + limits.canary_slack.value:
        took = ours  # whatever it says of itself
    if not took <= limits.canary.value:
        return "over-budget", f"it took {took:.1f} s, and was given {limits.canary}"
    return None


def _of_events(events: list[SweepEvent], reply: SweepResult | None) -> tuple[str, str] | None:
    """What is wrong with its progress event, if anything: reason and words."""
    if not events:
        return "no-event", "State Hub has recorded no event of it"
    if len(events) > 1:
        return "event-doubled", f"{len(events)} events: {', '.join(e.id for e in events[:4])}"
    different = differences(reply, events[0].result) if reply else []
    told = f"event {events[0].id} differs from the reply in {', '.join(different)}"
    return ("differs", told) if different else None


def canary_worked(canary: ManualCanary, limits: StateHubLimits) -> Finding:
    """The sweep that was asked for by hand did its work within its budget, and its event agrees with the reply."""
    reply, since = canary.reply, canary.posted - limits.skew.duration
    own = [e for e in canary.events if e.at >= since]
    others = [e for e in (*canary.events, *canary.others) if e not in own]
    skipped = reply is not None and reply.lock_skipped
    troubles = [("no-reply", canary.no_reply)] if reply is None else []
    if not skipped:  # what the lock skipped has nothing to show
        troubles += [t for t in (reply and _of_reply(reply, canary, limits), _of_events(own, reply)) if t]
    found = by_reason(troubles, _REASONS)
    # It is followed no longer than this.
    followed = canary.took + limits.canary.duration + limits.canary_slack.duration * 2
    late = [e.id for e in own if e.at > canary.posted + followed + limits.skew.duration]
    lost = len(canary.events) + len(canary.others) != canary.count
    gaps = reply.assessment_failures if reply else None
    details = [words for _, words in troubles]
    details += [
        f"its event: {e.id} at {e.at:%H:%M:%S}Z, source {e.result.source}, exit_code {e.result.exit_code}"
        for e in own[:4]
    ]
    details += [f"new, not its own: {e.id} of {e.result.source} at {e.at:%H:%M:%S}Z" for e in others[:4]]
    if late:
        details.append(f"of the future: {', '.join(late[:4])}")
    if lost:
        details.append(f"{canary.count} new events, {len(canary.events) + len(canary.others)} are here")
    if gaps:
        details.append(f"{gaps} assessment failures: work to follow up, no failure of this check")
    asked, took = f"asked for at {canary.posted:%H:%M:%S}Z", f"after {canary.took.total_seconds():.1f} s"
    observed = f"{asked}, answered {took}"
    if skipped:
        observed = f"{asked}, lock_skipped {took}: another sweep is at work; nothing was verified, and it is not asked for again"
    elif reply is None:
        observed = f"{asked}; no answer of a sweep {took}, not asked for again"
    return first_of(
        *(fail(reason, found[reason]) for reason in _REASONS),
        unknown("clock-ahead", late),
        unknown("part-missing", lost),
        unknown("lock-skipped", skipped),
        ok="worked",
    ).finding(
        expected="one sweep through the bridge does its work within its budget, and its event says what the reply says",
        observed=observed,
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("canary", "canary_slack", "skew")),
    )

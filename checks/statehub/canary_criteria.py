"""What must hold of the manual canary: it answers within its budget, did its work, and its event says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.run_criteria import differences
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.statehub.seen import Canary, SweepResult
    from fixtures.statehub.target import StateHubLimits

__all__ = ["canary_worked"]


def _of_reply(reply: SweepResult, canary: Canary, limits: StateHubLimits) -> tuple[str, str] | None:
    """What is wrong with the reply alone, if anything: reason and words."""
    if reply.automation_error:
        return "automation-error", reply.error or "the fault is not named: look into its log"
    if reply.exit_code != 0:
        return "exit-code", f"exit_code {reply.exit_code}, although no automation error is told"
    took = canary.took.total_seconds() if reply.took_s is None else reply.took_s
    if took > limits.canary.value:
        return "over-budget", f"it took {took:.1f} s, and was given {limits.canary}"
    return None


def _of_events(canary: Canary) -> tuple[str, str] | None:
    """What is wrong with its progress event, if anything: reason and words."""
    if not canary.events:
        return "no-event", "State Hub has recorded no event of it"
    if len(canary.events) > 1:
        return "event-doubled", f"{len(canary.events)} events: {', '.join(e.id for e in canary.events[:4])}"
    different = differences(canary.reply, canary.events[0].result) if canary.reply else []
    told = f"event {canary.events[0].id} differs from the reply in {', '.join(different)}"
    return ("differs", told) if different else None


def canary_worked(canary: Canary, limits: StateHubLimits) -> Finding:
    """The sweep that was asked for by hand did its work within its budget, and its event agrees with the reply."""
    reply = canary.reply
    found = [("no-reply", canary.no_reply)] if reply is None else []
    found += [t for t in (_of_reply(reply, canary, limits) if reply else None, _of_events(canary)) if t]
    gaps = reply.assessment_failures if reply else None
    details = [told for _, told in found]
    details += [
        f"its event: {e.id} at {e.at:%H:%M:%S}Z, source {e.result.source}, exit_code {e.result.exit_code}"
        for e in canary.events[:4]
    ]
    details += [f"new, not its own: {e.id} of {e.result.source}" for e in canary.others[:4]]
    if gaps:
        details.append(f"{gaps} assessment failures: work to follow up, no failure of this check")
    observed = f"asked for at {canary.posted:%H:%M:%S}Z, answered after {canary.took.total_seconds():.1f} s"
    if reply is None:
        observed = f"asked for at {canary.posted:%H:%M:%S}Z; no answer of a sweep after {canary.took.total_seconds():.1f} s, not asked for again"
    return Finding(
        holds=not found,
        reason=found[0][0] if found else "worked",
        expected="one sweep through the bridge does its work within its budget, and its event says what the reply says",
        observed=observed,
        details=tuple(details),
        limits=tuple(getattr(limits, n).named(n) for n in ("canary", "canary_slack", "skew")),
    )

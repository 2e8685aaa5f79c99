"""What must hold of Tolaria: its losses, the pace of its epochs, its health, and the alert that watches the pace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.esper.criteria.arrival import aged, silent
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.training import AlertAgreement, TolariaHealth, TolariaRun

__all__ = ["alert_agrees", "feels_well", "loss_is_finite", "pace_is_kept"]

_RESET = (
    "Nissa counts packets of all sources together: any packet with a metric, but without a slow epoch's latency, sets "
    "the count to 0 and clears the alert (Tamiyo's, Simic's, and the completion packet of each run do)"
)
_ILL = ("UNHEALTHY", "CRITICAL")


def loss_is_finite(run: TolariaRun, limits: EsperLimits) -> Finding:
    """The newest epoch, or each of the last run where nothing runs, tells a finite loss."""
    if (found := silent(run.source, limits)) is not None:
        return found
    judged = run.epochs[-1:] if run.source.workload == "running" else run.epochs
    missing = [e for e in judged if e.loss is None]
    odd = [e for e in judged if e.loss is not None and not math.isfinite(e.loss)]
    reason = "loss-missing" if missing else "loss-not-finite" if odd else "loss-finite"
    worst = (missing or odd or judged[-1:])[0]
    told = f"packet {worst.packet} ({worst.entry})"
    return Finding(
        holds=reason == "loss-finite",
        reason=reason,
        expected="tolaria.training.loss present and finite",
        observed=f"loss {'missing' if worst.loss is None else f'{worst.loss:g}'} in {told}; {aged(run.source)}",
        details=(
            *(
                []
                if run.completed or run.source.workload == "running"
                else ["the last run has not completed"]
            ),
            f"losses, oldest first: {_listed(e.loss for e in run.epochs[-10:])}",
            "the loss is a sum of batch means over samples: smaller than the true one by the batch size",
        ),
        limits=(limits.fresh.named("fresh"),),
    )


def pace_is_kept(run: TolariaRun, limits: EsperLimits) -> Finding:
    """Not so many epochs in a row are above the limit: the newest ones, or any of the last run where nothing runs."""
    if (found := silent(run.source, limits)) is not None:
        return found
    latencies = [e.latency_ms for e in run.epochs]
    trailing, longest = _streaks(latencies, limits.epoch.value)
    streak = trailing if run.source.workload == "running" else longest
    slow = streak >= limits.slow_epochs.value
    newest = run.epochs[-1]
    return Finding(
        holds=not slow,
        reason="epochs-slow" if slow else "pace-kept",
        expected=f"fewer than {limits.slow_epochs} above {limits.epoch}",
        observed=f"{streak} in a row above {limits.epoch}; newest {newest.packet}; {aged(run.source)}",
        details=(
            f"latencies in ms, oldest first: {_listed(latencies[-10:])}",
            f"health: {run.source.health or 'none'} {run.source.summary!r}",
        ),
        limits=(limits.epoch.named("epoch"), limits.slow_epochs.named("slow_epochs")),
    )


def feels_well(seen: TolariaHealth, limits: EsperLimits) -> Finding:
    """Active seeds are reported, and system_health is neither UNHEALTHY nor CRITICAL."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    ill = seen.source.health in _ILL
    countable = seen.seeds is not None and math.isfinite(seen.seeds) and seen.seeds >= 0
    reason = "unhealthy" if ill else "well" if countable else "seeds-not-reported"
    seeds = "not reported" if seen.seeds is None else f"{seen.seeds:g}"
    events = tuple(f"event {e.description} ({e.level}) {e.attributes or ''}".rstrip() for e in seen.events)
    return Finding(
        holds=reason == "well",
        reason=reason,
        expected=f"tolaria.seeds.active reported, system_health not {' or '.join(_ILL)}",
        observed=f"seeds active {seeds}, system_health {seen.source.health} {seen.source.summary!r}; {aged(seen.source)}",
        details=(f"packet of entry {seen.source.entry}, indicators {seen.source.indicators}", *events),
    )


def alert_agrees(seen: AlertAgreement, limits: EsperLimits) -> Finding:
    """Nissa's latency alert says what the epochs say, and what Nissa's own rule makes of the packets."""
    trailing, longest = _streaks(seen.latencies, limits.epoch.value)
    streak = trailing if seen.workload == "running" else longest
    slow = streak >= limits.slow_epochs.value
    follows = seen.active in seen.by_rule
    if slow and not seen.active:
        reason = "alert-quiet-on-slow-epochs"
    elif not follows:
        reason = "alert-against-its-rule"
    else:
        reason = "alert-agrees"
    alert = "active" if seen.active else "quiet"
    details = [f"latencies in ms, oldest first: {_listed(seen.latencies[-10:])}"]
    if reason == "alert-quiet-on-slow-epochs":
        details = [_RESET, f"reset by {seen.reset_by or 'a packet beyond those read'}", *details]
    if reason == "alert-against-its-rule":
        why = (
            "Nissa is behind (E-OON-5, E-NIS-4), was restarted since, or has other rules than the known ones"
        )
        details = [
            f"by the packets the alert would be {'quiet' if seen.active else 'active'}: {why}",
            *details,
        ]
    if seen.value is not None:
        details.append(f"the alert was {seen.value:g} ms when it fired")
    return Finding(
        holds=reason == "alert-agrees",
        reason=reason,
        expected="training_latency_high active exactly while the epochs are slow",
        observed=f"alert {alert}, {streak} epochs in a row above {limits.epoch}, looked {seen.looks} times",
        details=tuple(details),
        limits=(
            limits.epoch.named("epoch"),
            limits.slow_epochs.named("slow_epochs"),
            limits.settle.named("settle"),
        ),
    )


def _streaks(latencies: Iterable[float | None], limit: float) -> tuple[int, int]:
    """How many at the end are above the limit in a row, and how many at most."""
    streak = longest = 0
    for latency in latencies:
        streak = streak + 1 if latency is not None and latency > limit else 0
        longest = max(longest, streak)
    return streak, longest


def _listed(values: Iterable[float | None]) -> str:
    return ", ".join("missing" if v is None else f"{v:g}" for v in values)

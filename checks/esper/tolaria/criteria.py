"""What must hold of Tolaria: its losses, the pace of its epochs, its health, and the alert that watches the pace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.esper.training.arrival import aged, silent
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import AlertAgreement, TolariaHealth, TolariaRun

__all__ = ["alert_agrees", "feels_well", "loss_is_finite", "pace_is_kept"]

_RESET = (
    "Nissa counts packets of all sources together: any packet with a metric, but without a slow epoch's latency, sets "
    "the count to 0 and clears the alert (Tamiyo's, Simic's, and the completion packet of each run do)"
)
_HEALTH = ("HEALTHY", "DEGRADED", "UNHEALTHY", "CRITICAL")  # the worst last
_ILL = ("UNHEALTHY", "CRITICAL")


def loss_is_finite(run: TolariaRun, limits: EsperLimits) -> Finding:
    """The newest epoch, or each of the last run where nothing runs, tells a finite loss."""
    if (found := silent(run.source, limits)) is not None:
        return found
    judged = run.epochs[-1:] if run.source.workload == "running" else run.epochs
    missing = [e for e in judged if e.loss is None]
    odd = [e for e in judged if e.loss is not None and not math.isfinite(e.loss)]
    told = [
        f"loss {'missing' if e.loss is None else f'{e.loss:g}'} in packet {e.packet} ({e.entry})"
        for e in (missing or odd or judged[-1:])[:1]
    ]
    return first_of(
        fail("loss-missing", missing),
        fail("loss-not-finite", odd),
        unknown("no-epochs", not judged),
        unknown("part-missing", len(run.epochs) < run.count),
        ok="loss-finite",
    ).finding(
        expected="tolaria.training.loss present and finite",
        observed=f"{told[0] if told else 'no epoch'}; {aged(run.source)}",
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
    streak = _slow_in_a_row(latencies, run.source.workload, limits)
    at_most = _slow_in_a_row(latencies, run.source.workload, limits, untold=True)
    untold = not latencies or _untold(latencies[-1]) or at_most >= limits.slow_epochs.value
    return first_of(
        fail("epochs-slow", streak >= limits.slow_epochs.value),
        unknown("latency-missing", untold),
        unknown("part-missing", len(run.epochs) < run.count),
        ok="pace-kept",
    ).finding(
        expected=f"fewer than {limits.slow_epochs} above {limits.epoch}",
        observed=f"{streak} in a row above {limits.epoch}; newest {run.epochs[-1].packet if run.epochs else 'none'}; {aged(run.source)}",
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
    ill = [t for t in seen.told if t.health in _ILL]
    uncounted = [t for t in seen.told if t.seeds is None or not math.isfinite(t.seeds) or t.seeds < 0]
    untold = [t for t in seen.told if t.health not in _HEALTH]
    shown = max(
        ill or uncounted or untold or seen.told,
        key=lambda t: (*_HEALTH, t.health).index(t.health),
        default=None,
    )
    events = tuple(f"event {e.description} ({e.level}) {e.attributes or ''}".rstrip() for e in seen.events)
    observed = (
        "no packet tells of it"
        if shown is None
        else f"seeds active {'not reported' if shown.seeds is None else f'{shown.seeds:g}'}, "
        f"system_health {shown.health or 'not told'} {shown.summary!r}"
    )
    where = () if shown is None else (f"packet of entry {shown.entry}, indicators {shown.indicators}",)
    return first_of(
        fail("unhealthy", ill),
        fail("seeds-not-reported", uncounted),
        unknown("health-not-told", untold or not seen.told),
        unknown("part-missing", len(seen.told) < seen.count),
        ok="well",
    ).finding(
        expected=f"tolaria.seeds.active reported, system_health not {' or '.join(_ILL)}",
        observed=f"{observed}; {aged(seen.source)}",
        details=(*where, *events),
    )


def alert_agrees(seen: AlertAgreement, limits: EsperLimits) -> Finding:
    """Nissa's latency alert says what the epochs say, and what Nissa's own rule makes of the packets.

    Epochs that Nissa may not have had yet make nothing slow: with as many of them as with none it has to be slow.
    """
    had = [
        seen.latencies[: len(seen.latencies) - newest]
        for newest in range(min(seen.behind, len(seen.latencies)) + 1)
    ]
    enough = limits.slow_epochs.value
    slow = all(_slow_in_a_row(part, seen.workload, limits) >= enough for part in had)
    perhaps = all(_slow_in_a_row(part, seen.workload, limits, untold=True) >= enough for part in had)
    judged = first_of(
        fail("alert-quiet-on-slow-epochs", slow and not seen.active),
        fail("alert-against-its-rule", seen.active not in seen.by_rule),
        unknown("latency-missing", not seen.latencies or (perhaps and not seen.active)),
        unknown("part-missing", len(seen.latencies) < seen.epochs),
        ok="alert-agrees",
    )
    details = [f"latencies in ms, oldest first: {_listed(seen.latencies[-10:])}"]
    if judged.reason == "alert-quiet-on-slow-epochs":
        details = [_RESET, f"reset by {seen.reset_by or 'a packet beyond those read'}", *details]
    if judged.reason == "alert-against-its-rule":
        why = (
            "Nissa is behind (E-OON-5, E-NIS-4), was restarted since, or has other rules than the known ones"
        )
        details = [
            f"by the packets the alert would be {'quiet' if seen.active else 'active'}: {why}",
            *details,
        ]
    if seen.value is not None:
        details.append(f"the alert was {seen.value:g} ms when it fired")
    streak = _slow_in_a_row(seen.latencies, seen.workload, limits)
    return judged.finding(
        expected="training_latency_high active exactly while the epochs are slow",
        observed=f"alert {'active' if seen.active else 'quiet'}, {streak} epochs in a row above {limits.epoch}, "
        f"{seen.behind} of them perhaps not with Nissa yet, looked {seen.looks} times",
        details=tuple(details),
        limits=(
            limits.epoch.named("epoch"),
            limits.slow_epochs.named("slow_epochs"),
            limits.settle.named("settle"),
        ),
    )


def _untold(latency: float | None) -> bool:
    return latency is None or math.isnan(latency) or latency == -math.inf


def _slow_in_a_row(
    latencies: Sequence[float | None], workload: str, limits: EsperLimits, *, untold: bool = False
) -> int:
    """How many in a row are above the limit: at the end while it runs, else at most. One without a latency counts as `untold`."""
    streak = longest = 0
    for latency in latencies:
        slow = untold if latency is None or _untold(latency) else not latency <= limits.epoch.value
        streak = streak + 1 if slow else 0
        longest = max(longest, streak)
    return streak if workload == "running" else longest


def _listed(values: Iterable[float | None]) -> str:
    return ", ".join("missing" if v is None else f"{v:g}" for v in values)

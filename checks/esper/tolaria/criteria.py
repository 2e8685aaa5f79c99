"""Criteria of Tolaria: loss, epoch latency, health, and Nissa's latency alert."""

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
    "Nissa counts the packets of all sources together: any packet with metrics and without a slow latency resets the "
    "count and clears the alert (Tamiyo's, Simic's, and the completion packet of each run do)"
)
_HEALTH = ("HEALTHY", "DEGRADED", "UNHEALTHY", "CRITICAL")  # the worst last
_ILL = ("UNHEALTHY", "CRITICAL")


def loss_is_finite(run: TolariaRun, limits: EsperLimits) -> Finding:
    """The newest epoch has a finite loss; if no training runs, each epoch of the last run has."""
    if (finding := silent(run.source, limits)) is not None:
        return finding
    judged = run.epochs[-1:] if run.source.workload == "running" else run.epochs
    missing = [e for e in judged if e.loss is None]
    not_finite = [e for e in judged if e.loss is not None and not math.isfinite(e.loss)]
    shown = [
        f"loss {'missing' if e.loss is None else f'{e.loss:g}'} in packet {e.packet} ({e.entry})"
        for e in (missing or not_finite or judged[-1:])[:1]
    ]
    return first_of(
        fail("loss-missing", missing),
        fail("loss-not-finite", not_finite),
        unknown("no-epochs", not judged),
        unknown("part-missing", len(run.epochs) < run.count),
        ok="loss-finite",
    ).finding(
        expected="tolaria.training.loss published and finite",
        observed=f"{shown[0] if shown else 'no epoch'}; {aged(run.source)}",
        details=(
            *(
                []
                if run.completed or run.source.workload == "running"
                else ["the last run has not completed"]
            ),
            f"losses, oldest first: {_listed(e.loss for e in run.epochs[-10:])}",
            "the published loss is a sum of batch means divided by samples: too small by a factor of the batch size",
        ),
        limits=(limits.fresh.named("fresh"),),
    )


def pace_is_kept(run: TolariaRun, limits: EsperLimits) -> Finding:
    """Too many epochs in a row are not above the limit: the newest ones, or any of the last run if no training runs."""
    if (finding := silent(run.source, limits)) is not None:
        return finding
    latencies = [e.latency_ms for e in run.epochs]
    streak = _slow_in_a_row(latencies, run.source.workload, limits)
    at_most = _slow_in_a_row(latencies, run.source.workload, limits, unmeasured=True)
    unmeasured = not latencies or _unmeasured(latencies[-1]) or at_most >= limits.slow_epochs.value
    return first_of(
        fail("epochs-slow", streak >= limits.slow_epochs.value),
        unknown("latency-missing", unmeasured),
        unknown("part-missing", len(run.epochs) < run.count),
        ok="pace-kept",
    ).finding(
        expected=f"fewer than {limits.slow_epochs} above {limits.epoch}",
        observed=f"{streak} epochs in a row above {limits.epoch}; newest epoch {run.epochs[-1].packet if run.epochs else 'none'}; {aged(run.source)}",
        details=(
            f"latencies in ms, oldest first: {_listed(latencies[-10:])}",
            f"health: {run.source.health or 'none'} {run.source.summary!r}",
        ),
        limits=(limits.epoch.named("epoch"), limits.slow_epochs.named("slow_epochs")),
    )


def feels_well(health: TolariaHealth, limits: EsperLimits) -> Finding:
    """Tolaria reports its active seeds, and system_health is neither UNHEALTHY nor CRITICAL."""
    if (finding := silent(health.source, limits)) is not None:
        return finding
    ill = [t for t in health.told if t.health in _ILL]
    uncounted = [t for t in health.told if t.seeds is None or not math.isfinite(t.seeds) or t.seeds < 0]
    unknown_health = [t for t in health.told if t.health not in _HEALTH]
    shown = max(
        ill or uncounted or unknown_health or health.told,
        key=lambda t: (*_HEALTH, t.health).index(t.health),
        default=None,
    )
    events = tuple(f"event {e.description} ({e.level}) {e.attributes or ''}".rstrip() for e in health.events)
    observed = (
        "no packet with health"
        if shown is None
        else f"tolaria.seeds.active {'not published' if shown.seeds is None else f'{shown.seeds:g}'}, "
        f"system_health {shown.health or 'not published'} {shown.summary!r}"
    )
    where = () if shown is None else (f"packet of entry {shown.entry}, indicators {shown.indicators}",)
    return first_of(
        fail("unhealthy", ill),
        fail("seeds-not-reported", uncounted),
        unknown("health-not-told", unknown_health or not health.told),
        unknown("part-missing", len(health.told) < health.count),
        ok="well",
    ).finding(
        expected=f"tolaria.seeds.active published, system_health not {' or '.join(_ILL)}",
        observed=f"{observed}; {aged(health.source)}",
        details=(*where, *events),
    )


def alert_agrees(alert: AlertAgreement, limits: EsperLimits) -> Finding:
    """Nissa's latency alert agrees with the epochs, and with Nissa's own rule applied to the packets.

    Nissa may not have received the newest epochs yet: training counts as slow only if it is slow with and without them.
    """
    had = [
        alert.latencies[: len(alert.latencies) - newest]
        for newest in range(min(alert.behind, len(alert.latencies)) + 1)
    ]
    enough = limits.slow_epochs.value
    slow = all(_slow_in_a_row(part, alert.workload, limits) >= enough for part in had)
    perhaps = all(_slow_in_a_row(part, alert.workload, limits, unmeasured=True) >= enough for part in had)
    judged = first_of(
        fail("alert-quiet-on-slow-epochs", slow and not alert.active),
        fail("alert-against-its-rule", alert.active not in alert.by_rule),
        unknown("latency-missing", not alert.latencies or (perhaps and not alert.active)),
        unknown("part-missing", len(alert.latencies) < alert.epochs),
        ok="alert-agrees",
    )
    details = [f"latencies in ms, oldest first: {_listed(alert.latencies[-10:])}"]
    if judged.reason == "alert-quiet-on-slow-epochs":
        details = [_RESET, f"reset by {alert.reset_by or 'a packet beyond those read'}", *details]
    if judged.reason == "alert-against-its-rule":
        why = "Nissa lags (E-OON-5, E-NIS-4), was restarted since, or runs another alert rule"
        details = [
            f"by its rule and these packets the alert should be {'quiet' if alert.active else 'active'}: {why}",
            *details,
        ]
    if alert.value is not None:
        details.append(f"latency when the alert fired: {alert.value:g} ms")
    streak = _slow_in_a_row(alert.latencies, alert.workload, limits)
    return judged.finding(
        expected="training_latency_high active exactly while the epochs are slow",
        observed=f"alert {'active' if alert.active else 'quiet'}, {streak} epochs in a row above {limits.epoch}, "
        f"the newest {alert.behind} may not have reached Nissa yet; sampled {alert.looks} times",
        details=tuple(details),
        limits=(
            limits.epoch.named("epoch"),
            limits.slow_epochs.named("slow_epochs"),
            limits.settle.named("settle"),
        ),
    )


def _unmeasured(latency: float | None) -> bool:
    return latency is None or math.isnan(latency) or latency == -math.inf


def _slow_in_a_row(
    latencies: Sequence[float | None], workload: str, limits: EsperLimits, *, unmeasured: bool = False
) -> int:
    """Epochs in a row above the limit: the newest ones while it runs, else the longest such row. `unmeasured` says whether
    an epoch without a latency counts as slow.
    """
    streak = longest = 0
    for latency in latencies:
        slow = unmeasured if latency is None or _unmeasured(latency) else not latency <= limits.epoch.value
        streak = streak + 1 if slow else 0
        longest = max(longest, streak)
    return streak if workload == "running" else longest


def _listed(values: Iterable[float | None]) -> str:
    return ", ".join("missing" if v is None else f"{v:g}" for v in values)

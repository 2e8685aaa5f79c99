"""Criteria of Nissa, the observability service: liveness, metrics, alerts, SLOs, and ingest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from checks.esper.training.arrival import is_fresh
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import Ingest, NissaHealth, NissaMetrics, NissaSummary

__all__ = ["alerts_quiet", "healthz_ok", "ingests", "metrics_exposed", "slo_below_breach"]

_FAMILIES = (
    "esper_training_runs",
    "esper_telemetry_packets",
    "esper_system_state_packets",
    "esper_field_reports",
    "esper_simic_training_reward",
    "esper_simic_training_iterations",
)


def healthz_ok(health: NissaHealth) -> Finding:
    """/healthz says ok. It does so even when ingest is dead: E-NIS-4 and E-OON-7 judge that."""
    return first_of(fail("not-ok", health.body != "ok"), ok="alive").finding(
        expected="HTTP 200 with status ok",
        observed=f"HTTP {health.status} with status {health.body}",
        details=("HTTP 200 here says nothing about ingest: see E-NIS-4",),
    )


def metrics_exposed(metrics: NissaMetrics) -> Finding:
    """The exposition parses and carries the six esper families."""
    missing = [f for f in _FAMILIES if f not in metrics.families]
    judged = first_of(
        fail("not-an-exposition", metrics.invalid),
        fail("series-missing", missing),
        ok="exposed",
    )
    observed = metrics.invalid or (
        f"missing: {', '.join(missing)}"
        if missing
        else f"all {len(_FAMILIES)} families, {len(metrics.counters)} counter series"
    )
    return judged.finding(
        expected=f"a valid Prometheus exposition with {', '.join(_FAMILIES)}",
        observed=observed,
        details=(f"families there: {', '.join(metrics.families[:12]) or 'none'}",)
        if judged.reason == "series-missing"
        else (),
    )


def alerts_quiet(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """None of Nissa's alerts is active, and at least one of the core alerts could be.

    With workload = running only a fresh metric can fire an alert.
    """
    running = summary.workload == "running"
    can_fire = [
        alert
        for alert, age_s in summary.fed_s.items()
        if age_s is not None and (is_fresh(age_s, limits) or (not running and age_s >= -limits.fresh.value))
    ]
    cannot_fire = [alert for alert in summary.fed_s if alert not in can_fire]
    details = [
        f"{a.name}: {a.metric} was {a.value:g} when it fired; routes {', '.join(a.routes) or 'none'}"
        for a in summary.alerts
    ]
    if summary.alerts:
        details.append("alert routes exist only in Nissa's memory: nobody was paged")
    if cannot_fire:
        details.append(
            f"cannot fire, no {'fresh ' if running else ''}value of their metric in the newest telemetry: {', '.join(cannot_fire)}"
        )
    feeding = (
        f"metrics arrive for {', '.join(can_fire)}" if can_fire else "no metric arrives that could fire one"
    )
    quiet = f"no alert active; {feeding}"
    return first_of(
        fail("alert-active", summary.alerts),
        unknown("nothing-feeds-them", not can_fire),
        ok="quiet",
    ).finding(
        expected="no active alert",
        observed=f"{len(summary.alerts)} alerts active" if summary.alerts else quiet,
        details=tuple(details),
        limits=(limits.fresh.named("fresh"),),
    )


def slo_below_breach(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """The burn rate of each published SLO is below the breach threshold."""
    over = [s for s in summary.slos if not s.burn_rate < limits.burn_rate.value]
    shown = tuple(
        f"{s.name}: {s.violations} of {s.total} samples violate, burn rate {s.burn_rate:g}"
        for s in summary.slos
    )
    return first_of(
        fail("slo-breach", over),
        fine("no-slo", not summary.slos),
        ok="slo",
    ).finding(
        expected=f"every burn rate below {limits.burn_rate}",
        observed=f"{len(over)} of {len(shown)} SLOs at or above it"
        if over
        else (f"{len(shown)} SLOs below it" if shown else "this target publishes no SLO"),
        details=shown,
        limits=(limits.burn_rate.named("burn_rate"),),
    )


def ingests(ingest: Ingest, limits: EsperLimits) -> Finding:
    """Nissa's counters rise while entries arrive, by as many as its group acknowledged; without arrivals lag and pending are 0.

    With workload = running a stream that has been quiet for too long proves nothing: producers that use another stream
    name leave Nissa with a stream on which nothing ever fails.
    """
    running = ingest.workload == "running"
    silent = not any(count > 0 for count in ingest.arrived.values())
    flat = [
        role for role, count in ingest.arrived.items() if count > 0 and not ingest.counted.get(role, 1) > 0
    ]
    # A restart resets its counters: then only that they rise can be judged.
    short = {
        k: n
        for k, n in ingest.handled.items()
        if not ingest.counted_kinds.get(k, n) >= n and not ingest.reset
    }
    not_observed = {*ingest.names} - {*ingest.arrived} | {*ingest.names} - {*ingest.counted}
    not_observed |= {*ingest.names} - {*ingest.quiet_s, *ingest.missing} | {*ingest.handled} ^ {
        *ingest.counted_kinds
    }
    rerouted = {"normal"} if ingest.rerouted else set()  # judged by E-OON-3 and E-OON-4
    quiet = [
        role
        for role, age_s in ingest.quiet_s.items()
        if not ingest.arrived.get(role, 0) > 0 and not is_fresh(age_s, limits) and role not in rerouted
    ]
    judged = first_of(
        fail("counters-flat", flat),
        fail("counters-short", short),
        fail("idle-not-caught-up", silent and not running and not ingest.caught_up),
        unknown(
            "no-traffic", silent and running and not any(is_fresh(a, limits) for a in ingest.quiet_s.values())
        ),
        unknown("not-caught-up", silent and not ingest.caught_up),
        unknown("stream-quiet", running and not silent and quiet),
        unknown("part-missing", not_observed),
        unknown("no-window", not ingest.seconds > 0),
        fine("idle", silent and not running),
        fine("caught-up", silent),
        ok="ingests",
    )
    observed = {
        "counters-flat": f"entries arrived, but the counters of {', '.join(flat)} did not rise",
        "counters-short": f"Nissa counted fewer messages than its group acknowledged: {', '.join(short)}",
        "part-missing": f"not observed: {', '.join(sorted(not_observed))}",
        "idle-not-caught-up": f"nothing arrived, and {ingest.owed}",
        "not-caught-up": f"nothing arrived, and {ingest.owed}",
        "no-traffic": 'nothing arrived, although the target says workload = "running"',
        "stream-quiet": f"nothing arrived on {', '.join(f'{ingest.names.get(r, r)} {_for(ingest.quiet_s[r])}' for r in quiet)}, while other streams get entries",
        "idle": "idle and caught up: nothing arrived, lag and pending are 0",
        "caught-up": "caught up: nothing arrived in the window, lag and pending are 0",
    }.get(judged.reason, "counters rise")
    details = [
        f"{role}: {count} entries arrived, counters rose by {ingest.counted.get(role, math.nan):g}, last entry {_for(ingest.quiet_s.get(role), 'ago')}"
        for role, count in ingest.arrived.items()
    ]
    details += [
        f"{kind}: the group acknowledged {count}, Nissa counted {ingest.counted_kinds.get(kind, math.nan):g}: another program "
        f"consumes in the group, or XGROUP SETID moved it forward; active consumers: {', '.join(ingest.consumers) or 'none'}"
        for kind, count in short.items()
    ]
    details += [f"{series} went backwards: Nissa was restarted within the window" for series in ingest.reset]
    if judged.reason == "stream-quiet":
        details.append(
            "do producers and Nissa use the same stream name (OONA_TELEMETRY_STREAM etc.)? The target says workload = running"
        )
    return judged.finding(
        expected="Nissa counts every entry that arrives",
        observed=f"{observed}; window {ingest.seconds:g} s + {ingest.settled:.1f} s to settle",
        details=tuple(details),
        limits=(limits.fresh.named("fresh"),),
    )


def _for(age_s: float | None, since: str = "") -> str:
    if age_s is None:
        return "never" if since else "ever"
    return f"{age_s:.0f} s {since}" if since else f"for {age_s:.0f} s"

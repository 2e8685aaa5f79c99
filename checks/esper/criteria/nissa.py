"""What must hold of the observability service Nissa, and of what its own health page does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.nissa import Ingest, NissaHealth, NissaMetrics, NissaSummary

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
    """Nissa says ok; it says so whatever its ingest does, so E-NIS-4 and E-OON-7 look behind it."""
    holds = health.body == "ok"
    return Finding(
        holds=holds,
        reason="alive" if holds else "not-ok",
        expected="200 with status ok",
        observed=f"{health.status} with status {health.body}",
        details=("a 200 here says nothing of ingest: see E-NIS-4",),
    )


def metrics_exposed(metrics: NissaMetrics) -> Finding:
    """The exposition parses and carries the six esper families."""
    missing = [f for f in _FAMILIES if f not in metrics.families]
    reason = "not-an-exposition" if metrics.invalid else "series-missing" if missing else "exposed"
    observed = metrics.invalid or (
        f"missing: {', '.join(missing)}" if missing else f"all six, {len(metrics.counters)} counter series"
    )
    return Finding(
        holds=reason == "exposed",
        reason=reason,
        expected=f"a valid exposition with {', '.join(_FAMILIES)}",
        observed=observed,
        details=(f"families there: {', '.join(metrics.families[:12]) or 'none'}",)
        if reason == "series-missing"
        else (),
    )


def alerts_quiet(summary: NissaSummary) -> Finding:
    """None of Nissa's alerts is active, and at least one of the core alerts could be."""
    active = tuple(
        f"{a.name}: {a.metric} was {a.value:g} when it fired; routes {', '.join(a.routes) or 'none'}"
        for a in summary.alerts
    )
    details = [*active]
    if active:
        details.append("routes are lists in Nissa's memory: nobody was paged")
    if summary.unfed:
        details.append(
            f"cannot fire, their metric is not among the newest telemetry: {', '.join(summary.unfed)}"
        )
    return Finding(
        holds=not active,
        reason="alert-active" if active else "quiet",
        expected="no active alert",
        observed=f"{len(active)} active" if active else f"quiet and fed: {', '.join(summary.fed)}",
        details=tuple(details),
    )


def slo_below_breach(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """Each SLO that is published burns below the breach line."""
    over = [s for s in summary.slos if s.burn_rate >= limits.burn_rate.value]
    shown = tuple(
        f"{s.name}: {s.violations} of {s.total} samples violate, burn rate {s.burn_rate:g}"
        for s in summary.slos
    )
    return Finding(
        holds=not over,
        reason="slo-breach" if over else "slo",
        expected=f"every burn rate below {limits.burn_rate}",
        observed=f"{len(over)} of {len(shown)} at or above"
        if over
        else (f"{len(shown)} below" if shown else "no SLO is published by this target"),
        details=shown,
        limits=(limits.burn_rate.named("burn_rate"),),
    )


def ingests(seen: Ingest) -> Finding:
    """Nissa's counters move while entries arrive, by as many as its group was given; where nothing arrives, it owes nothing."""
    flat = [role for role, count in seen.arrived.items() if count > 0 and seen.counted[role] <= 0]
    details = [
        f"{role}: {count} arrived, counters moved by {seen.counted[role]:g}"
        for role, count in seen.arrived.items()
    ]
    # After a restart its counters begin anew: then only that they move can be judged.
    short = {k: n for k, n in seen.handled.items() if seen.counted_kinds[k] < n and not seen.reset}
    details += [
        f"{kind}: its group has had and acknowledged {count}, Nissa counted {seen.counted_kinds[kind]:g}: another program "
        f"takes entries in its group, or the group was moved forward; consumers at work: {', '.join(seen.consumers) or 'none'}"
        for kind, count in short.items()
    ]
    details += [f"{series} went backwards: Nissa was restarted within the window" for series in seen.reset]
    if any(count > 0 for count in seen.arrived.values()):
        reason, observed = (
            ("counters-flat", f"counters flat for {', '.join(flat)}")
            if flat
            else ("counters-short", f"fewer counted than acknowledged: {', '.join(short)}")
            if short
            else ("ingests", "counters move")
        )
    elif seen.caught_up:
        reason, observed = "idle", "idle, caught up: nothing arrived, and the groups owe nothing"
    else:
        reason, observed = "idle-not-caught-up", f"nothing arrived, and {seen.owed}"
    return Finding(
        holds=reason in ("ingests", "idle"),
        reason=reason,
        expected="Nissa counts what arrives",
        observed=f"{observed} in {seen.seconds:g} s (+ {seen.settled:.1f} s to settle)",
        details=tuple(details),
    )

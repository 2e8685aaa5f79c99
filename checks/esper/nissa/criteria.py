"""What must hold of the observability service Nissa, and of what its own health page does not know."""

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
    """Nissa says ok; it says so whatever its ingest does, so E-NIS-4 and E-OON-7 look behind it."""
    return first_of(fail("not-ok", health.body != "ok"), ok="alive").finding(
        expected="200 with status ok",
        observed=f"{health.status} with status {health.body}",
        details=("a 200 here says nothing of ingest: see E-NIS-4",),
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
        f"missing: {', '.join(missing)}" if missing else f"all six, {len(metrics.counters)} counter series"
    )
    return judged.finding(
        expected=f"a valid exposition with {', '.join(_FAMILIES)}",
        observed=observed,
        details=(f"families there: {', '.join(metrics.families[:12]) or 'none'}",)
        if judged.reason == "series-missing"
        else (),
    )


def alerts_quiet(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """None of Nissa's alerts is active, and at least one of the core alerts could be.

    Where the workload runs, what was published long ago feeds no alert now.
    """
    running = summary.workload == "running"
    fed = [
        alert
        for alert, age_s in summary.fed_s.items()
        if age_s is not None and (is_fresh(age_s, limits) or (not running and age_s >= -limits.fresh.value))
    ]
    unfed = [alert for alert in summary.fed_s if alert not in fed]
    details = [
        f"{a.name}: {a.metric} was {a.value:g} when it fired; routes {', '.join(a.routes) or 'none'}"
        for a in summary.alerts
    ]
    if summary.alerts:
        details.append("routes are lists in Nissa's memory: nobody was paged")
    if unfed:
        details.append(
            f"cannot fire, their metric is not among the newest telemetry{' that is fresh' if running else ''}: {', '.join(unfed)}"
        )
    quiet = f"quiet and fed: {', '.join(fed)}" if fed else "quiet, and none of them could be active"
    return first_of(
        fail("alert-active", summary.alerts),
        unknown("nothing-feeds-them", not fed),
        ok="quiet",
    ).finding(
        expected="no active alert",
        observed=f"{len(summary.alerts)} active" if summary.alerts else quiet,
        details=tuple(details),
        limits=(limits.fresh.named("fresh"),),
    )


def slo_below_breach(summary: NissaSummary, limits: EsperLimits) -> Finding:
    """Each SLO that is published burns below the breach line."""
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
        observed=f"{len(over)} of {len(shown)} at or above"
        if over
        else (f"{len(shown)} below" if shown else "no SLO is published by this target"),
        details=shown,
        limits=(limits.burn_rate.named("burn_rate"),),
    )


def ingests(seen: Ingest, limits: EsperLimits) -> Finding:
    """Nissa's counters move while entries arrive, by as many as its group was given; where nothing arrives, it owes nothing.

    Where the workload runs, a stream that is quiet for longer than is fresh proves nothing: producers that were given
    another name leave Nissa with a stream on which nothing ever fails.
    """
    running = seen.workload == "running"
    silent = not any(count > 0 for count in seen.arrived.values())
    flat = [role for role, count in seen.arrived.items() if count > 0 and not seen.counted.get(role, 1) > 0]
    # After a restart its counters begin anew: then only that they move can be judged.
    short = {
        k: n for k, n in seen.handled.items() if not seen.counted_kinds.get(k, n) >= n and not seen.reset
    }
    untold = {*seen.names} - {*seen.arrived} | {*seen.names} - {*seen.counted}
    untold |= {*seen.names} - {*seen.quiet_s, *seen.missing} | {*seen.handled} ^ {*seen.counted_kinds}
    rerouted = {"normal"} if seen.rerouted else set()  # E-OON-3 and E-OON-4 tell it
    quiet = [
        role
        for role, age_s in seen.quiet_s.items()
        if not seen.arrived.get(role, 0) > 0 and not is_fresh(age_s, limits) and role not in rerouted
    ]
    judged = first_of(
        fail("counters-flat", flat),
        fail("counters-short", short),
        fail("idle-not-caught-up", silent and not running and not seen.caught_up),
        unknown(
            "no-traffic", silent and running and not any(is_fresh(a, limits) for a in seen.quiet_s.values())
        ),
        unknown("not-caught-up", silent and not seen.caught_up),
        unknown("stream-quiet", running and not silent and quiet),
        unknown("part-missing", untold),
        unknown("no-window", not seen.seconds > 0),
        fine("idle", silent and not running),
        fine("caught-up", silent),
        ok="ingests",
    )
    observed = {
        "counters-flat": f"counters flat for {', '.join(flat)}",
        "counters-short": f"fewer counted than acknowledged: {', '.join(short)}",
        "part-missing": f"nothing is told of {', '.join(sorted(untold))}",
        "idle-not-caught-up": f"nothing arrived, and {seen.owed}",
        "not-caught-up": f"nothing arrived, and {seen.owed}",
        "no-traffic": 'nothing arrived, although the target says workload = "running"',
        "stream-quiet": f"nothing arrived on {', '.join(f'{seen.names.get(r, r)} {_for(seen.quiet_s[r])}' for r in quiet)}, while the others take entries",
        "idle": "idle, caught up: nothing arrived, and the groups owe nothing",
        "caught-up": "caught up: nothing arrived for a moment, and the groups owe nothing",
    }.get(judged.reason, "counters move")
    details = [
        f"{role}: {count} arrived, counters moved by {seen.counted.get(role, math.nan):g}, last entry {_for(seen.quiet_s.get(role), 'ago')}"
        for role, count in seen.arrived.items()
    ]
    details += [
        f"{kind}: its group has had and acknowledged {count}, Nissa counted {seen.counted_kinds.get(kind, math.nan):g}: another program "
        f"takes entries in its group, or the group was moved forward; consumers at work: {', '.join(seen.consumers) or 'none'}"
        for kind, count in short.items()
    ]
    details += [f"{series} went backwards: Nissa was restarted within the window" for series in seen.reset]
    if judged.reason == "stream-quiet":
        details.append(
            "do producers and Nissa agree on its name (OONA_TELEMETRY_STREAM and its like)? The target says workload = running"
        )
    return judged.finding(
        expected="Nissa counts what arrives",
        observed=f"{observed}; looked at for {seen.seconds:g} s (+ {seen.settled:.1f} s to settle)",
        details=tuple(details),
        limits=(limits.fresh.named("fresh"),),
    )


def _for(age_s: float | None, since: str = "") -> str:
    if age_s is None:
        return "never" if since else "ever"
    return f"{age_s:.0f} s {since}" if since else f"for {age_s:.0f} s"

"""Criteria of the DHT: replication, provider records, error budget, latency."""

from __future__ import annotations

from math import nan
from statistics import fmean
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.dht.models import Operations, Replication
    from systems.bzzz.limits import BzzzLimits

__all__ = ["none_alone", "operations_succeed", "quick", "records_present", "replicated"]


def _factors(replication: Replication) -> str:
    return ", ".join(
        f"{who} {value:g}" for who, value in sorted(replication.factors.items(), key=lambda f: f[1])
    )


def _incomplete(replication: Replication) -> bool:
    """Whether an agent has no factor."""
    return bool(replication.missing_factors) or len(replication.factors) < max(replication.wanted, 1)


def _put_rate(replication: Replication) -> str:
    return "put rate unknown" if replication.put_rate is None else f"put rate {replication.put_rate:.2f}/s"


def replicated(replication: Replication, limits: BzzzLimits) -> Finding:
    """The average replication factor is high enough, as the alert judges it; with an agent missing there is no average."""
    average = fmean(replication.factors.values()) if replication.factors else nan
    missing = _incomplete(replication)
    judged = first_of(
        fail("under-replicated", not missing and not average >= limits.replication.value),
        unknown("part-missing", missing),
        ok="replicated",
    )
    lowest = min(replication.factors, key=lambda who: replication.factors[who], default="none")
    mean = f"average {average:.2f}" if replication.factors else "no replication factor"
    observed = f"{mean}{'' if judged.holds else f', lowest on {lowest}'}: {_factors(replication)}; {_put_rate(replication)}"
    return judged.finding(
        expected=f"average replication factor at least {limits.replication.value:g}",
        observed="; ".join((observed, *replication.missing_factors)),
        details=replication.warnings
        if judged.holds
        else (*replication.evidence, _records(replication), *replication.warnings),
        limits=(limits.replication.named("replication"),),
    )


def none_alone(replication: Replication, limits: BzzzLimits) -> Finding:
    """No instance is the only holder of its content. Not judged where the average is too low: B-DHT-1 judges that."""
    known = not _incomplete(replication)
    worse = known and not fmean(replication.factors.values()) >= limits.replication.value
    alone = [who for who, value in replication.factors.items() if not value > limits.replication_alone.value]
    judged = first_of(
        fail("alone", alone and not worse),
        unknown("part-missing", not known),
        fine("average-judged", worse),
        ok="none-alone",
    )
    observed = (
        f"at or below it: {', '.join(alone)}; all: {_factors(replication)}"
        if alone
        else _factors(replication)
    )
    return judged.finding(
        expected=f"replication factor of every instance above {limits.replication_alone.value:g}",
        observed="; ".join((observed, *replication.missing_factors)),
        details=() if judged.holds else replication.evidence,
        limits=(
            limits.replication_alone.named("replication_alone"),
            limits.replication.named("replication"),
        ),
    )


def _records(replication: Replication) -> str:
    records = ", ".join(f"{who} {value:g}" for who, value in replication.records.items())
    return f"provider records: {records or 'none'}"


def records_present(replication: Replication) -> Finding:
    """Every instance holds provider records."""
    without = [who for who, value in replication.records.items() if not value > 0]
    judged = first_of(
        fail("no-provider-records", without),
        unknown(
            "part-missing",
            replication.missing_records or len(replication.records) < max(replication.wanted, 1),
        ),
        ok="records-present",
    )
    observed = f"no provider records on {', '.join(without)}" if without else _records(replication)
    return judged.finding(
        expected="provider records on every instance",
        observed="; ".join((observed, *replication.missing_records)),
        details=() if judged.holds else replication.evidence,
    )


def operations_succeed(operations: Operations, limits: BzzzLimits) -> Finding:
    """The DHT's operations stay within their error budget."""
    least = 1 - limits.dht_errors.value
    over = {who: rate for who, rate in operations.success.items() if not rate >= least}
    shown = ", ".join(f"{who}: {rate:.2%} succeed" for who, rate in operations.success.items())
    burns = [(1 - rate) / limits.dht_errors.value for rate in over.values() if limits.dht_errors.value]
    parts = [
        *([shown] if shown else []),
        *([f"burn rate {max(burns):.1f} (1 uses up the error budget exactly)"] if burns else []),
        *operations.missing,
    ]
    return first_of(
        fail("budget-burnt", over),
        unknown("part-missing", operations.missing or not operations.success),
        ok="within-budget",
    ).finding(
        expected=f"at most {100 * limits.dht_errors.value:g}% of the operations fail",
        observed="; ".join(parts) or "no success rate",
        details=operations.warnings,
        limits=(limits.dht_errors.named("dht_errors"),),
    )


def quick(operations: Operations, limits: BzzzLimits) -> Finding:
    """The 95th percentile of the DHT operations' latency is low enough."""
    return first_of(fail("slow", not operations.p95_s <= limits.dht_p95.value), ok="quick").finding(
        expected=f"p95 latency of the DHT's operations at most {limits.dht_p95}",
        observed=f"p95 {operations.p95_s:.3f} s, over {operations.window_s:g} s",
        limits=(limits.dht_p95.named("dht_p95"), limits.dht_window.named("dht_window")),
    )

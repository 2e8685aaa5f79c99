"""What must hold of the DHT: pure rules."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.dht import Operations, Replication

__all__ = ["none_alone", "operations_succeed", "quick", "records_present", "replicated"]


def _factors(seen: Replication) -> str:
    return ", ".join(f"{who} {value:g}" for who, value in sorted(seen.factors.items(), key=lambda f: f[1]))


def _put_rate(seen: Replication) -> str:
    return "put rate not known" if seen.put_rate is None else f"put rate {seen.put_rate:.2f}/s"


def replicated(seen: Replication, limits: BzzzLimits) -> Finding:
    """The average replication factor is high enough, as the alert judges it."""
    average = fmean(seen.factors.values())
    holds = average >= limits.replication.value
    lowest = min(seen.factors, key=lambda who: seen.factors[who])
    return Finding(
        holds=holds,
        reason="replicated" if holds else "under-replicated",
        expected=f"an average replication factor of at least {limits.replication}",
        observed=f"{average:.2f} on average{'' if holds else f', lowest on {lowest}'}: {_factors(seen)}; {_put_rate(seen)}",
        details=(*seen.evidence, _records(seen), *seen.warnings) if not holds else seen.warnings,
        limits=(limits.replication.named("replication"),),
    )


def none_alone(seen: Replication, limits: BzzzLimits) -> Finding:
    """No instance has its content alone. Not judged where the average is too low: that is the worse."""
    worse = not fmean(seen.factors.values()) >= limits.replication.value
    alone = [who for who, value in seen.factors.items() if not value > limits.replication_alone.value]
    fails = bool(alone) and not worse
    return Finding(
        holds=not fails,
        reason="alone" if fails else "average-judged" if worse else "none-alone",
        expected=f"every instance above {limits.replication_alone}",
        observed=f"{', '.join(alone)} at or below: {_factors(seen)}" if alone else _factors(seen),
        details=seen.evidence if fails else (),
        limits=(limits.replication_alone.named("replication_alone"),),
    )


def _records(seen: Replication) -> str:
    return "provider records: " + ", ".join(f"{who} {value:g}" for who, value in seen.records.items())


def records_present(seen: Replication) -> Finding:
    """Every instance holds provider records."""
    without = [who for who, value in seen.records.items() if not value > 0]
    return Finding(
        holds=not without,
        reason="no-provider-records" if without else "records-present",
        expected="provider records on every instance",
        observed=f"none on {', '.join(without)}" if without else _records(seen),
        details=seen.evidence if without else (),
    )


def operations_succeed(seen: Operations, limits: BzzzLimits) -> Finding:
    """The DHT's operations stay within their error budget."""
    spent = {who: 1 - rate for who, rate in seen.success.items()}
    over = [who for who, share in spent.items() if not share <= limits.dht_errors.value]
    shown = ", ".join(f"{who}: {rate:.2%} succeed" for who, rate in seen.success.items())
    return Finding(
        holds=not over,
        reason="budget-burnt" if over else "within-budget",
        expected=f"at most {limits.dht_errors.value:.0%} of the operations fail",
        observed=f"{shown}; the budget burns {max(spent.values()) / limits.dht_errors.value:.1f} times as fast as it lasts"
        if limits.dht_errors.value and over
        else shown,
        details=seen.warnings,
        limits=(limits.dht_errors.named("dht_errors"),),
    )


def quick(seen: Operations, limits: BzzzLimits) -> Finding:
    """The DHT's operations are quick enough at the 95th percentile."""
    slow = not seen.p95_s <= limits.dht_p95.value
    return Finding(
        holds=not slow,
        reason="slow" if slow else "quick",
        expected=f"95 % of the operations within {limits.dht_p95}",
        observed=f"95 % within {seen.p95_s:.3f} s, over {seen.window_s:g} s",
        limits=(limits.dht_p95.named("dht_p95"), limits.dht_window.named("dht_window")),
    )

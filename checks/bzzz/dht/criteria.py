"""What must hold of the DHT: pure rules."""

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
    return ", ".join(f"{who} {value:g}" for who, value in sorted(replication.factors.items(), key=lambda f: f[1]))


def _part(replication: Replication) -> bool:
    """Whether an agent has no factor."""
    return bool(replication.missing_factors) or len(replication.factors) < max(replication.wanted, 1)


def _put_rate(replication: Replication) -> str:
    return "put rate not known" if replication.put_rate is None else f"put rate {replication.put_rate:.2f}/s"


def replicated(replication: Replication, limits: BzzzLimits) -> Finding:
    """The average replication factor is high enough, as the alert judges it; of a part there is no average."""
    average = fmean(replication.factors.values()) if replication.factors else nan
    missing = _part(replication)
    judged = first_of(
        fail("under-replicated", not missing and not average >= limits.replication.value),
        unknown("part-missing", missing),
        ok="replicated",
    )
    lowest = min(replication.factors, key=lambda who: replication.factors[who], default="none")
    observed = f"{average:.2f} on average{'' if judged.holds else f', lowest on {lowest}'}: {_factors(replication)}; {_put_rate(replication)}"
    return judged.finding(
        expected=f"an average replication factor of at least {limits.replication}",
        observed="; ".join((observed, *replication.missing_factors)),
        details=replication.warnings if judged.holds else (*replication.evidence, _records(replication), *replication.warnings),
        limits=(limits.replication.named("replication"),),
    )


def none_alone(replication: Replication, limits: BzzzLimits) -> Finding:
    """No instance has its content alone. Not judged where the average is too low: that is the worse."""
    known = not _part(replication)
    worse = known and not fmean(replication.factors.values()) >= limits.replication.value
    alone = [who for who, value in replication.factors.items() if not value > limits.replication_alone.value]
    judged = first_of(
        fail("alone", alone and not worse),
        unknown("part-missing", not known),
        fine("average-judged", worse),
        ok="none-alone",
    )
    observed = f"{', '.join(alone)} at or below: {_factors(replication)}" if alone else _factors(replication)
    return judged.finding(
        expected=f"every instance above {limits.replication_alone}",
        observed="; ".join((observed, *replication.missing_factors)),
        details=() if judged.holds else replication.evidence,
        limits=(
            limits.replication_alone.named("replication_alone"),
            limits.replication.named("replication"),
        ),
    )


def _records(replication: Replication) -> str:
    return "provider records: " + ", ".join(f"{who} {value:g}" for who, value in replication.records.items())


def records_present(replication: Replication) -> Finding:
    """Every instance holds provider records."""
    without = [who for who, value in replication.records.items() if not value > 0]
    judged = first_of(
        fail("no-provider-records", without),
        unknown("part-missing", replication.missing_records or len(replication.records) < max(replication.wanted, 1)),
        ok="records-present",
    )
    observed = f"none on {', '.join(without)}" if without else _records(replication)
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
        *([f"the budget burns {max(burns):.1f} times as fast as it lasts"] if burns else []),
        *operations.missing,
    ]
    return first_of(
        fail("budget-burnt", over),
        unknown("part-missing", operations.missing or not operations.success),
        ok="within-budget",
    ).finding(
        expected=f"at most {limits.dht_errors.value:.0%} of the operations fail",
        observed="; ".join(parts) or "no rate",
        details=operations.warnings,
        limits=(limits.dht_errors.named("dht_errors"),),
    )


def quick(operations: Operations, limits: BzzzLimits) -> Finding:
    """The DHT's operations are quick enough at the 95th percentile."""
    return first_of(fail("slow", not operations.p95_s <= limits.dht_p95.value), ok="quick").finding(
        expected=f"95 % of the operations within {limits.dht_p95}",
        observed=f"95 % within {operations.p95_s:.3f} s, over {operations.window_s:g} s",
        limits=(limits.dht_p95.named("dht_p95"), limits.dht_window.named("dht_window")),
    )

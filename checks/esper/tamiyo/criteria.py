"""What must hold of Tamiyo on the bus: it is not in conservative mode, and what it decides on is within limits."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING

from checks.esper.training.arrival import aged, silent
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.limits import Limit
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import Conservative, Decisions

__all__ = ["not_conservative", "within_limits"]

_ALWAYS = {"tamiyo.validation_loss", "tamiyo.loss_delta"}


def not_conservative(seen: Conservative, limits: EsperLimits) -> Finding:
    """Conservative mode is off; where it is on, since when and why is told."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    streak = list(takewhile(lambda r: r.value == 1.0, seen.modes))
    details = [
        f"{e.description} {', '.join(f'{k} {v}' for k, v in sorted(e.attributes.items()))} in {e.packet}, {e.age_s:.1f} s ago"
        for e in seen.reasons[:5]
    ]
    judged = first_of(
        fail("conservative", streak),
        unknown("mode-not-told", not seen.modes or seen.modes[0].value != 0.0),
        unknown("part-missing", seen.source.has_more(len(seen.modes))),
        ok="not-conservative",
    )
    if not streak:
        told = f"{seen.modes[0].value or 0.0:g}" if seen.modes else "no packet"
        return judged.finding(
            expected="tamiyo.conservative_mode 0",
            observed=f"{told}; {aged(seen.source)}",
            details=tuple(details),
        )
    first = streak[-1]
    since = f"{'at least ' if len(streak) == len(seen.modes) else ''}{first.age_s:.1f} s (packet {first.packet}, {first.entry})"
    values = [f"loss_delta {_shown(seen.loss_delta)}", f"blueprint.risk {_shown(seen.risk)}"]
    return judged.finding(
        expected="tamiyo.conservative_mode 0",
        observed=f"1 for {since}; health {seen.source.health or 'none'} {seen.source.summary!r}",
        details=(
            *(details or ["neither pause_triggered nor bp_quarantine among the newest packets"]),
            ", ".join(values),
            "nothing sets it by itself: somebody did, or RiskConfig; a loss spike pauses one epoch and does not latch",
        ),
    )


def within_limits(seen: Decisions, limits: EsperLimits) -> Finding:
    """Validation loss, its change, and a blueprint's risk where one is published are within their limits."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    bounds: dict[str, tuple[str, Limit]] = {
        "tamiyo.validation_loss": ("validation_loss", limits.validation_loss),
        "tamiyo.loss_delta": ("loss_delta", limits.loss_delta),
        "tamiyo.blueprint.risk": ("risk", limits.risk),
    }
    odd = [r for r in seen.highest if r.value is not None and not r.value > -math.inf]
    told = {r.metric: r.value for r in seen.highest if r.value is not None and r not in odd}
    named = {r.metric for r in seen.highest}
    above = [r for r in seen.highest if _breaks(r.metric, told.get(r.metric), bounds)]
    high = {r.metric for r in above}
    shown = tuple(f"{r.metric} {_shown(r.value)} in packet {r.packet} ({r.entry})" for r in seen.highest)
    names = ", ".join(f"{name} {limit}" for name, limit in bounds.values())
    health = f"health {seen.source.health or 'none'} {seen.source.summary!r}, {seen.source.indicators}"
    return first_of(
        fail("validation-loss-high", "tamiyo.validation_loss" in high),
        fail("loss-delta-high", "tamiyo.loss_delta" in high),
        fail("risk-high", "tamiyo.blueprint.risk" in high),
        unknown("metric-missing", odd or not told.keys() >= _ALWAYS or not named >= bounds.keys()),
        ok="within-limits",
    ).finding(
        expected=f"within {names}",
        observed=f"{'; '.join(f'{r.metric} {_shown(r.value)}' for r in above or seen.highest)}; {aged(seen.source)}",
        details=(*shown, health),
        limits=tuple(limit.named(name) for name, limit in bounds.values()),
    )


def _breaks(metric: str, value: float | None, bounds: dict[str, tuple[str, Limit]]) -> bool:
    # Tamiyo quarantines from the risk on, and pauses only above the change of loss. Its 0.8 is a float32's, just above.
    limit = bounds[metric][1].value
    return value is not None and (value >= limit if metric == "tamiyo.blueprint.risk" else value > limit)


def _shown(value: float | None) -> str:
    return "not published" if value is None else f"{value:g}"

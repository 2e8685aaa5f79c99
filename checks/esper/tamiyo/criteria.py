"""Criteria of Tamiyo: conservative mode, and the values that it decides on."""

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


def not_conservative(conservative: Conservative, limits: EsperLimits) -> Finding:
    """Conservative mode is off; if it is on, the finding says since when and why."""
    if (finding := silent(conservative.source, limits)) is not None:
        return finding
    streak = list(takewhile(lambda r: r.value == 1.0, conservative.modes))
    details = [
        f"{e.description} ({', '.join(f'{k} {v}' for k, v in sorted(e.attributes.items()))}) in {e.packet}, {e.age_s:.1f} s ago"
        for e in conservative.reasons[:5]
    ]
    judged = first_of(
        fail("conservative", streak),
        unknown("mode-not-told", not conservative.modes or conservative.modes[0].value != 0.0),
        unknown("part-missing", conservative.source.has_more(len(conservative.modes))),
        ok="not-conservative",
    )
    if not streak:
        mode = (
            f"tamiyo.conservative_mode {conservative.modes[0].value or 0.0:g}"
            if conservative.modes
            else "no packet"
        )
        return judged.finding(
            expected="tamiyo.conservative_mode 0",
            observed=f"{mode}; {aged(conservative.source)}",
            details=tuple(details),
        )
    first = streak[-1]
    since = f"{'at least ' if len(streak) == len(conservative.modes) else ''}{first.age_s:.1f} s (packet {first.packet}, {first.entry})"
    values = [f"loss_delta {_shown(conservative.loss_delta)}", f"blueprint.risk {_shown(conservative.risk)}"]
    return judged.finding(
        expected="tamiyo.conservative_mode 0",
        observed=f"tamiyo.conservative_mode 1 for {since}; health {conservative.source.health or 'none'} {conservative.source.summary!r}",
        details=(
            *(details or ["no pause_triggered or bp_quarantine event in the newest packets"]),
            ", ".join(values),
            "the program never sets it by itself: an operator did, or RiskConfig; a loss spike only pauses one epoch",
        ),
    )


def within_limits(decisions: Decisions, limits: EsperLimits) -> Finding:
    """Validation loss, its change, and a blueprint's risk where one is published are within their limits."""
    if (finding := silent(decisions.source, limits)) is not None:
        return finding
    bounds: dict[str, tuple[str, Limit]] = {
        "tamiyo.validation_loss": ("validation_loss", limits.validation_loss),
        "tamiyo.loss_delta": ("loss_delta", limits.loss_delta),
        "tamiyo.blueprint.risk": ("risk", limits.risk),
    }
    not_a_number = [r for r in decisions.highest if r.value is not None and not r.value > -math.inf]
    values = {r.metric: r.value for r in decisions.highest if r.value is not None and r not in not_a_number}
    named = {r.metric for r in decisions.highest}
    above = [r for r in decisions.highest if _breaks(r.metric, values.get(r.metric), bounds)]
    high = {r.metric for r in above}
    shown = tuple(f"{r.metric} {_shown(r.value)} in packet {r.packet} ({r.entry})" for r in decisions.highest)
    allowed = ", ".join(
        f"{name} {'below' if name == 'risk' else 'at most'} {limit}" for name, limit in bounds.values()
    )
    health = f"health {decisions.source.health or 'none'} {decisions.source.summary!r}, {decisions.source.indicators}"
    return first_of(
        fail("validation-loss-high", "tamiyo.validation_loss" in high),
        fail("loss-delta-high", "tamiyo.loss_delta" in high),
        fail("risk-high", "tamiyo.blueprint.risk" in high),
        unknown("metric-missing", not_a_number or not values.keys() >= _ALWAYS or not named >= bounds.keys()),
        ok="within-limits",
    ).finding(
        expected=allowed,
        observed=f"{'; '.join(f'{r.metric} {_shown(r.value)}' for r in above or decisions.highest)}; {aged(decisions.source)}",
        details=(*shown, health),
        limits=tuple(limit.named(name) for name, limit in bounds.values()),
    )


def _breaks(metric: str, value: float | None, bounds: dict[str, tuple[str, Limit]]) -> bool:
    # Tamiyo quarantines at the risk limit, and pauses only above the loss delta. 0.8 as a float32 is just above 0.8.
    limit = bounds[metric][1].value
    return value is not None and (value >= limit if metric == "tamiyo.blueprint.risk" else value > limit)


def _shown(value: float | None) -> str:
    return "not published" if value is None else f"{value:g}"

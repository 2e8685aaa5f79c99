"""Criteria across all sources: one State Hub behind API and bridge, and clocks that agree."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks.statehub.formatting import at, signed
from checks.statehub.timing import events_astray, events_lost
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.observation import Observation
    from opsverify.model.verdict import Finding
    from systems.statehub.api.models import NewestEvents
    from systems.statehub.limits import StateHubLimits
    from systems.statehub.sources.models import Clocks
    from systems.statehub.sweeps.models import Sweeps

__all__ = ["clocks_agree", "same_state_hub"]


def same_state_hub(
    bridged: Observation[NewestEvents], direct: Observation[Sweeps], limits: StateHubLimits
) -> Finding:
    """The bridge leads to the State Hub that answers directly: its newest events are in the direct reply too, except those
    recorded between the two requests.
    """
    skew, events = limits.skew.duration, bridged.value.events
    known = {e.id for e in direct.value.events}
    began = min(o.at - o.took for o in (direct, bridged)) - skew
    ended = max(o.at for o in (direct, bridged)) + skew
    more = [(name, moment) for name, moment in events if name not in known]
    # Events older than the direct request covers may still exist there.
    strange = [(name, moment) for name, moment in more if direct.value.covers < moment < began]
    future = [(name, moment) for name, moment in more if moment > ended]
    lost, astray = events_lost(direct.value), events_astray(direct.value, limits)
    if len(events) != bridged.value.count:
        lost = f"the bridge returned {bridged.value.count} events, the evidence has {len(events)}"
    observed = (
        f"{len(events) - len(more)} of {len(events)} newest events of the bridge are in the direct reply"
    )
    if strange:
        observed = (
            f"{len(strange)} of {len(events)} newest events of the bridge are missing in the direct reply"
        )
    return first_of(
        fail("another-state-hub", strange),
        unknown("clock-ahead", future),
        unknown("out-of-window", astray),
        unknown("nothing-to-compare", len(more) == len(events)),
        unknown("part-missing", lost),
        ok="same",
    ).finding(
        expected="the bridge returns the events of this State Hub",
        observed="; ".join(filter(None, (observed, astray, lost))),
        details=(
            *(f"{name} of {at(moment)}" for name, moment in strange),
            *(f"{name} of {at(moment)}, in the future" for name, moment in future),
        ),
        limits=(limits.skew.named("skew"),),
    )


def clocks_agree(clocks: Clocks, limits: StateHubLimits) -> Finding:
    """No two clocks, ours included, differ by more than the limit."""
    ours = [("ours", timedelta(0)), *clocks.ahead]
    fastest, slowest = max(ours, key=lambda c: c[1]), min(ours, key=lambda c: c[1])
    apart = fastest[1] - slowest[1]
    off = not apart <= limits.skew.duration
    shown = ", ".join(f"{name} {signed(ahead)}" for name, ahead in clocks.ahead) or "no clock"
    not_observed = sorted(set(clocks.asked) - {name for name, _ in clocks.ahead})
    silent = clocks.missing or tuple(f"{name}: no clock" for name in not_observed)
    return first_of(
        fail("clock-skew", off),
        unknown("part-missing", not_observed or clocks.missing),
        unknown("no-clock", not clocks.ahead),
        ok="agree",
    ).finding(
        expected=f"all clocks within {limits.skew} of each other",
        observed=f"{fastest[0]} is {apart.total_seconds():.3f} s ahead of {slowest[0]}"
        if off
        else "; ".join((shown, *silent)),
        details=(f"against ours: {shown}", *silent, *clocks.clockless),
        limits=(limits.skew.named("skew"),),
    )

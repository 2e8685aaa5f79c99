"""Criteria of State Hub's API: the direct path and the bridge return the same newest event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.statehub.formatting import at
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from datetime import datetime

    from opsverify.model.observation import Observation
    from opsverify.model.verdict import Finding
    from systems.statehub.api.models import NewestEvents
    from systems.statehub.section import StateHubLimits

__all__ = ["same_newest"]


def same_newest(
    direct: Observation[NewestEvents], bridged: Observation[NewestEvents], limits: StateHubLimits
) -> Finding:
    """Both paths return the same newest event, or differ only by events recorded between the two requests."""
    began = min(o.at - o.took for o in (direct, bridged)) - limits.skew.duration
    ended = max(o.at for o in (direct, bridged)) + limits.skew.duration
    sides = {"direct": direct.value.events, "bridge": bridged.value.events}
    empty = [side for side, events in sides.items() if not events]
    newest = {side: events[0] for side, events in sides.items() if events}
    lost = [
        side for side, o in (("direct", direct), ("bridge", bridged)) if len(sides[side]) != o.value.count
    ]
    same = not empty and newest["direct"][0] == newest["bridge"][0]
    late = [] if same or empty else _recorded_later(sides, newest, began)
    shown = "; ".join(f"{side}: {name} of {at(moment)}" for side, (name, moment) in newest.items())
    return first_of(
        fail("differs", not (same or empty or late)),
        unknown("no-event", empty),
        unknown("part-missing", lost),
        unknown("clock-ahead", any(moment > ended for moment in late)),
        fine("moved-between", late),
        ok="same",
    ).finding(
        expected="the same newest event directly and through the bridge",
        observed=f"{newest['direct'][0]} of {at(newest['direct'][1])} on both paths"
        if same
        else "; ".join(filter(None, (shown, *(f"{side}: no event" for side in empty)))),
        details=(
            *(f"{side}: events of the reply are missing in the evidence" for side in lost),
            *(f"an event of {at(moment)} is in the future" for moment in late if moment > ended),
        ),
        limits=(limits.skew.named("skew"),),
    )


def _recorded_later(
    sides: dict[str, tuple[tuple[str, datetime], ...]],
    newest: dict[str, tuple[str, datetime]],
    began: datetime,
) -> list[datetime]:
    """Times of the events that only one side has, if all of them were recorded after `began`."""
    for ahead, behind in (("direct", "bridge"), ("bridge", "direct")):
        more = [moment for name, moment in sides[ahead] if (name, moment) not in sides[behind]]
        if newest[behind] in sides[ahead] and all(moment >= began for moment in more):
            return more
    return []

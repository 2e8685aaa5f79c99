"""What must hold once an incident of the training side is over (runbook 5)."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING

from checks.esper.training.arrival import aged
from opsverify.model.ladder import fail, fine, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.nissa.models import NissaSummary
    from systems.esper.training.models import BlueprintRisk, Conservative, EventSeen, Isolation, Quarantine

__all__ = [
    "isolation_alert_explained",
    "isolation_watched",
    "not_paused_again",
    "risk_is_the_librarys",
]

_ISOLATION = "kasmina_isolation_violation"
_FLOAT32 = 1e-6
_SHOWN = 5


def not_paused_again(seen: Conservative, limits: EsperLimits) -> Finding:
    """Since conservative mode was switched off, for so many packets, Tamiyo has not paused the training again."""
    off = list(takewhile(lambda r: r.value == 0.0, seen.modes))
    switched = len(off) < len(seen.modes)
    enough = max(1, int(limits.calm_packets.value))
    watched = off[:enough]
    since = watched[-1].age_s if watched else 0.0
    pauses = [e for e in seen.reasons if e.description == "pause_triggered"]
    again = [e for e in pauses if watched and e.age_s <= since]
    untold = any(map(math.isnan, [since, *(e.age_s for e in pauses)]))
    when = (
        f"switched off {off[-1].age_s:.1f} s ago"
        if off and switched
        else f"off in all {len(off)} packets that were read"
    )
    return first_of(
        fail("still-on", seen.modes and not off),
        fail("paused-again", again),
        unknown("too-few-packets", len(watched) < enough),
        unknown("not-a-number", untold),
        unknown("part-missing", seen.source.has_more(len(seen.modes))),
        ok="stays-off",
    ).finding(
        expected=f"conservative mode off, and no pause_triggered in the newest {limits.calm_packets}",
        observed=f"{when if off or not seen.modes else 'on in the newest packet'}; {len(again)} pauses in the newest {len(watched)} packets; {aged(seen.source)}",
        details=_told(again),
        limits=(limits.calm_packets.named("calm_packets"),),
    )


def isolation_watched(seen: Isolation, limits: EsperLimits) -> Finding:
    """Enough packets of Kasmina were seen to say that its counter no longer rises."""
    return first_of(
        unknown("too-few-packets", not len(seen.readings) > limits.isolation_packets.value),
        ok="watched",
    ).finding(
        expected=f"{limits.isolation_packets} more than the first",
        observed=f"{len(seen.readings)} packets of {seen.source.source}",
        limits=(limits.isolation_packets.named("isolation_packets"),),
    )


def isolation_alert_explained(seen: NissaSummary, isolation: Isolation) -> Finding:
    """Nissa's alert on isolation is quiet, or speaks of no more violations than were acknowledged.

    Alone its quiet proves nothing, since any unrelated packet clears it; and as long as the counter stands above the
    rule's 3, which it does until Kasmina restarts, each of Kasmina's packets fires it again.
    """
    active = next((alert for alert in seen.alerts if alert.name == _ISOLATION), None)
    given = isolation.acknowledged
    allowed = given.count if given is not None and given.expires > isolation.at else 0
    return first_of(
        fail("alert-active", active is not None and not active.value <= allowed),
        unknown("never-fed", active is None and not isolation.readings),
        fine("alert-of-what-is-known", active is not None),
        ok="alert-quiet",
    ).finding(
        expected=f"alert {_ISOLATION} quiet, or of no more than {allowed} acknowledged violations",
        observed=f"active, {active.value:g} violations when it fired" if active else "quiet",
        details=("above 3 violations each packet of Kasmina fires it, and any other packet clears it",),
    )


def risk_is_the_librarys(seen: Quarantine) -> Finding:
    """A blueprint's risk and tier on the bus are those of its row in the library."""
    row = next((b for b in seen.library if b.id == seen.blueprint), None)
    risk = math.nan if seen.risk.value is None else seen.risk.value
    alike = [b.id for b in seen.library if _alike(b, risk, seen.tier)]
    untold = math.isnan(risk) or (
        row is not None and bool(risk) and (row.risk is None or math.isnan(row.risk))
    )
    if row is not None:
        known = f"{row.id}: risk {'0' if row.risk is None else f'{row.risk:g}'}, tier {row.tier}"
    else:
        named = f"{seen.blueprint} has no row" if seen.blueprint else "no field report names the blueprint"
        known = seen.unreadable or f"{named}; of this risk and tier: {', '.join(alike[:_SHOWN]) or 'none'}"
    response = [e for e in seen.response if e.description == "bp_quarantine"]
    details = [
        f"the response: {len(response)} quarantines among the newest packets; health {seen.source.health} {seen.source.summary!r}",
        *_told(list(seen.response)),
    ]
    if seen.unreadable:
        details.append("what the library's file lacks is told by E-URZ-3")
    known_risk = not untold and not seen.unreadable
    return first_of(
        fail("risk-differs", known_risk and row is not None and row.id not in alike),
        fail("not-in-the-library", known_risk and row is None and not alike),
        unknown("library-unreadable", seen.unreadable),
        unknown("risk-not-told", untold),
        unknown("part-missing", len(seen.library) < seen.rows),
        ok="risk-agrees",
    ).finding(
        expected="risk and tier on the bus are those of the library",
        observed=f"on the bus risk {risk:g}, tier {seen.tier or 'not told'} (packet {seen.risk.packet}, {seen.risk.age_s:.1f} s old); in the library {known}",
        details=tuple(details),
    )


def _alike(blueprint: BlueprintRisk, risk: float, tier: str) -> bool:
    """Whether a row tells this risk, as a float32 may carry it, and this tier."""
    return math.isclose(blueprint.risk or 0.0, risk, abs_tol=_FLOAT32) and tier in ("", blueprint.tier)


def _told(events: list[EventSeen]) -> tuple[str, ...]:
    return tuple(
        f"{e.description} {', '.join(f'{k} {v}' for k, v in sorted(e.attributes.items()))} in {e.packet}, {e.age_s:.1f} s ago"
        for e in events[:_SHOWN]
    )

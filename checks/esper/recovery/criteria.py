"""Criteria of the end of an incident of the training side (runbook 5)."""

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


def not_paused_again(conservative: Conservative, limits: EsperLimits) -> Finding:
    """Conservative mode is off, and Tamiyo has not paused the training in the newest packets since."""
    off = list(takewhile(lambda r: r.value == 0.0, conservative.modes))
    switched = len(off) < len(conservative.modes)
    enough = max(1, int(limits.calm_packets.value))
    watched = off[:enough]
    since = watched[-1].age_s if watched else 0.0
    pauses = [e for e in conservative.reasons if e.description == "pause_triggered"]
    again = [e for e in pauses if watched and e.age_s <= since]
    not_a_number = any(map(math.isnan, [since, *(e.age_s for e in pauses)]))
    when = (
        f"switched off {off[-1].age_s:.1f} s ago"
        if off and switched
        else f"off in all {len(off)} packets read"
    )
    return first_of(
        fail("still-on", conservative.modes and not off),
        fail("paused-again", again),
        unknown("too-few-packets", len(watched) < enough),
        unknown("not-a-number", not_a_number),
        unknown("part-missing", conservative.source.has_more(len(conservative.modes))),
        ok="stays-off",
    ).finding(
        expected=f"conservative mode off, and no pause_triggered in the newest {limits.calm_packets}",
        observed=f"conservative mode {when if off or not conservative.modes else 'on in the newest packet'}; {len(again)} pauses in the newest {len(watched)} packets; {aged(conservative.source)}",
        details=_event_lines(again),
        limits=(limits.calm_packets.named("calm_packets"),),
    )


def isolation_watched(isolation: Isolation, limits: EsperLimits) -> Finding:
    """There are enough packets of Kasmina to say that its counter no longer rises."""
    return first_of(
        unknown("too-few-packets", not len(isolation.readings) > limits.isolation_packets.value),
        ok="watched",
    ).finding(
        expected=f"more than {limits.isolation_packets} of kasmina, to compare its counter",
        observed=f"{len(isolation.readings)} packets of {isolation.source.source}",
        limits=(limits.isolation_packets.named("isolation_packets"),),
    )


def isolation_alert_explained(summary: NissaSummary, isolation: Isolation) -> Finding:
    """Nissa's isolation alert is quiet, or reports no more violations than were acknowledged.

    A quiet alert alone proves nothing, since any unrelated packet clears it. While the counter is above the rule's 3,
    which it is until Kasmina restarts, each packet of Kasmina fires it again.
    """
    active = next((alert for alert in summary.alerts if alert.name == _ISOLATION), None)
    acknowledged = isolation.acknowledged
    allowed = acknowledged.count if acknowledged is not None and acknowledged.expires > isolation.at else 0
    return first_of(
        fail("alert-active", active is not None and not active.value <= allowed),
        unknown("never-fed", active is None and not isolation.readings),
        fine("alert-of-what-is-known", active is not None),
        ok="alert-quiet",
    ).finding(
        expected=f"alert {_ISOLATION} quiet, or at most {allowed} violations (acknowledged)",
        observed=f"active, {active.value:g} violations when it fired" if active else "quiet",
        details=(
            "above 3 violations each packet of Kasmina fires the alert, and any other packet clears it",
        ),
    )


def risk_is_the_librarys(quarantine: Quarantine) -> Finding:
    """A blueprint's risk and tier on the bus equal those of its row in the library."""
    row = next((b for b in quarantine.library if b.id == quarantine.blueprint), None)
    risk = math.nan if quarantine.risk.value is None else quarantine.risk.value
    alike = [b.id for b in quarantine.library if _same_risk_and_tier(b, risk, quarantine.tier)]
    not_published = math.isnan(risk) or (
        row is not None and bool(risk) and (row.risk is None or math.isnan(row.risk))
    )
    if row is not None:
        in_library = f"{row.id}: risk {'0' if row.risk is None else f'{row.risk:g}'}, tier {row.tier}"
    else:
        named = (
            f"{quarantine.blueprint} has no row"
            if quarantine.blueprint
            else "no field report names the blueprint"
        )
        in_library = (
            quarantine.unreadable
            or f"{named}; rows with this risk and tier: {', '.join(alike[:_SHOWN]) or 'none'}"
        )
    response = [e for e in quarantine.response if e.description == "bp_quarantine"]
    details = [
        f"Tamiyo's response: {len(response)} bp_quarantine events in the newest packets; health {quarantine.source.health} {quarantine.source.summary!r}",
        *_event_lines(list(quarantine.response)),
    ]
    if quarantine.unreadable:
        details.append("E-URZ-3 says what is wrong with the library")
    published = not not_published and not quarantine.unreadable
    return first_of(
        fail("risk-differs", published and row is not None and row.id not in alike),
        fail("not-in-the-library", published and row is None and not alike),
        unknown("library-unreadable", quarantine.unreadable),
        unknown("risk-not-told", not_published),
        unknown("part-missing", len(quarantine.library) < quarantine.rows),
        ok="risk-agrees",
    ).finding(
        expected="risk and tier on the bus equal those in the library",
        observed=f"bus: risk {risk:g}, tier {quarantine.tier or 'not published'} (packet {quarantine.risk.packet}, {quarantine.risk.age_s:.1f} s old); library: {in_library}",
        details=tuple(details),
    )


def _same_risk_and_tier(blueprint: BlueprintRisk, risk: float, tier: str) -> bool:
    """Whether a row has this risk, within the precision of a float32, and this tier."""
    return math.isclose(blueprint.risk or 0.0, risk, abs_tol=_FLOAT32) and tier in ("", blueprint.tier)


def _event_lines(events: list[EventSeen]) -> tuple[str, ...]:
    return tuple(
        f"{e.description} ({', '.join(f'{k} {v}' for k, v in sorted(e.attributes.items()))}) in {e.packet}, {e.age_s:.1f} s ago"
        for e in events[:_SHOWN]
    )

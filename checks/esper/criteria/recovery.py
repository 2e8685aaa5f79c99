"""What must hold once an incident of the training side is over (runbook 5)."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from checks.esper.criteria.arrival import aged
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.nissa import NissaSummary
    from fixtures.esper.seen.training import Conservative, EventSeen, Isolation, Quarantine

__all__ = ["isolation_alert_explained", "not_paused_again", "risk_is_the_librarys"]

_ISOLATION = "kasmina_isolation_violation"
_SHOWN = 5


def not_paused_again(seen: Conservative, limits: EsperLimits) -> Finding:
    """Since conservative mode was switched off, for some packets at most, Tamiyo has not paused the training again."""
    off = list(takewhile(lambda r: r.value == 0.0, seen.modes))
    switched = len(off) < len(seen.modes)
    watched = off[: max(1, int(limits.calm_packets.value))]
    since = watched[-1].age_s if watched else 0.0
    again = [e for e in seen.reasons if e.description == "pause_triggered" and e.age_s <= since]
    when = (
        f"switched off {off[-1].age_s:.1f} s ago"
        if off and switched
        else f"off in all {len(off)} packets that were read"
    )
    return Finding(
        holds=bool(off) and not again,
        reason="still-on" if not off else "paused-again" if again else "stays-off",
        expected=f"conservative mode off, and no pause_triggered in the newest {limits.calm_packets}",
        observed=f"{when if off else 'on in the newest packet'}; {len(again)} pauses in the newest {len(watched)} packets; {aged(seen.source)}",
        details=_told(again),
        limits=(limits.calm_packets.named("calm_packets"),),
    )


def isolation_alert_explained(seen: NissaSummary, isolation: Isolation) -> Finding:
    """Nissa's alert on isolation is quiet, or speaks of no more violations than were acknowledged.

    Alone its quiet proves nothing, since any unrelated packet clears it; and as long as the counter stands above the
    rule's 3, which it does until Kasmina restarts, each of Kasmina's packets fires it again.
    """
    active = next((alert for alert in seen.alerts if alert.name == _ISOLATION), None)
    given = isolation.acknowledged
    allowed = given.count if given is not None and given.expires > isolation.at else 0
    known = active is not None and active.value <= allowed
    return Finding(
        holds=active is None or known,
        reason="alert-quiet" if active is None else "alert-of-what-is-known" if known else "alert-active",
        expected=f"alert {_ISOLATION} quiet, or of no more than {allowed} acknowledged violations",
        observed=f"active, {active.value:g} violations when it fired" if active else "quiet",
        details=("above 3 violations each packet of Kasmina fires it, and any other packet clears it",),
    )


def risk_is_the_librarys(seen: Quarantine) -> Finding:
    """A blueprint's risk and tier on the bus are those of its row in the library."""
    row, risk = seen.row, seen.risk.value or 0.0
    bus = f"risk {risk:g}, tier {seen.tier or 'not told'}"
    if row is not None:
        reason = "risk-agrees" if row.id in seen.alike else "risk-differs"
        known = f"{row.id}: risk {'0' if row.risk is None else f'{row.risk:g}'}, tier {row.tier}"
    else:
        reason = "risk-agrees" if seen.alike else "not-in-the-library"
        named = f"{seen.blueprint} has no row" if seen.blueprint else "no field report names the blueprint"
        known = f"{named}; of this risk and tier: {', '.join(seen.alike[:_SHOWN]) or 'none'}"
    response = [e for e in seen.response if e.description == "bp_quarantine"]
    details = [
        f"the response: {len(response)} quarantines among the newest packets; health {seen.source.health} {seen.source.summary!r}",
        *_told(list(seen.response)),
    ]
    return Finding(
        holds=reason == "risk-agrees",
        reason=reason,
        expected="risk and tier on the bus are those of the library",
        observed=f"on the bus {bus} (packet {seen.risk.packet}, {seen.risk.age_s:.1f} s old); in the library {known}",
        details=tuple(details),
    )


def _told(events: list[EventSeen]) -> tuple[str, ...]:
    return tuple(
        f"{e.description} {', '.join(f'{k} {v}' for k, v in sorted(e.attributes.items()))} in {e.packet}, {e.age_s:.1f} s ago"
        for e in events[:_SHOWN]
    )

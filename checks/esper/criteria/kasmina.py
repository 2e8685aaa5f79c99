"""What must hold of Kasmina: no seed breaks its isolation, and kernels come from the library in time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from checks.esper.criteria.arrival import aged, silent
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.training import Isolation, Kernels

__all__ = ["isolation_kept", "kernels_in_time"]


def isolation_kept(seen: Isolation, limits: EsperLimits) -> Finding:
    """The violation counter neither rose in the newest packets nor stands above what somebody has acknowledged."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    values = [r.value or 0.0 for r in seen.readings]  # newest first
    fell = next((i for i, (new, old) in enumerate(pairwise(values)) if new < old), None)
    life = values if fell is None else values[: fell + 1]
    watched = life[: int(limits.isolation_packets.value) + 1]
    rise = watched[0] - watched[-1]
    given = seen.acknowledged
    valid = given is not None and given.expires > seen.at
    allowed = given.count if given is not None and valid else 0
    now = values[0]
    reason = "violations-rising" if rise > 0 else "violations-unacknowledged" if now > allowed else "isolated"
    details = [
        f"seed {e.attributes.get('seed_id', '?')}: {e.description}, {e.attributes.get('violations', '?')} in all, {e.age_s:.1f} s ago"
        for e in seen.recorded[:5]
    ]
    details.append(f"seeds now: {', '.join(seen.seeds) or 'none'}")
    if fell is not None:
        details.append(
            f"the counter fell from {values[fell + 1]:g} to {values[fell]:g}: Kasmina restarted, what went before is not counted any more"
        )
    if given is not None:
        until = f"until {given.expires.isoformat()}{'' if valid else ', which is over'}"
        details.append(f"acknowledged: {given.count} by {given.owner} {until}")
    details.append(
        "the counter never goes back by itself, and a cleared alert is no proof: any unrelated packet clears it"
    )
    return Finding(
        holds=reason == "isolated",
        reason=reason,
        expected=f"no increase over {limits.isolation_packets}, and not above {allowed} acknowledged",
        observed=f"{now:g} violations, {rise:g} more than {len(watched) - 1} packets before; {aged(seen.source)}",
        details=tuple(details),
        limits=(limits.isolation_packets.named("isolation_packets"),),
    )


def kernels_in_time(seen: Kernels, limits: EsperLimits) -> Finding:
    """Kasmina's kernel was fetched within its budget, and no fallback kernel is in use."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    value = None if seen.fetch is None else seen.fetch.value
    fallback = value is None or bool(seen.fallbacks)
    slow = value is not None and value > limits.fetch.value
    reason = "fallback-kernel" if fallback else "fetch-slow" if slow else "kernels-in-time"
    latency = (
        "no fetch latency: the last load used the fallback" if value is None else f"fetched in {value:g} ms"
    )
    told = tuple(
        f"fallback_applied {e.attributes} in {e.packet}, {e.age_s:.1f} s ago" for e in seen.fallbacks[:5]
    )
    refresh = ("kernels that fell back are the fallback blueprint's (BP001): run the forge again",)
    return Finding(
        holds=reason == "kernels-in-time",
        reason=reason,
        expected=f"fetched within {limits.fetch}, no fallback in the newest {seen.looked_at} packets",
        observed=f"{latency}, {len(seen.fallbacks)} fallbacks; {aged(seen.source)}",
        details=(*told, *(refresh if fallback else ())),
        limits=(limits.fetch.named("fetch"), limits.isolation_packets.named("isolation_packets")),
    )

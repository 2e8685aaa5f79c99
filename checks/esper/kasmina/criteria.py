"""What must hold of Kasmina: no seed breaks its isolation, and kernels come from the library in time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from checks.esper.training.arrival import aged, silent
from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import Isolation, Kernels

__all__ = ["isolation_kept", "kernels_in_time"]


def isolation_kept(seen: Isolation, limits: EsperLimits) -> Finding:
    """The violation counter neither rose in the newest packets nor stands above what somebody has acknowledged."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    values = [math.nan if r.value is None else r.value for r in seen.readings]  # newest first
    fell = next((i for i, (new, old) in enumerate(pairwise(values)) if new < old), None)
    life = values if fell is None else values[: fell + 1]
    watched = life[: int(limits.isolation_packets.value) + 1]
    now, before = (watched[0], watched[-1]) if watched else (0.0, 0.0)
    rise, untold = now - before, any(not value >= 0 for value in watched)
    given = seen.acknowledged
    valid = given is not None and given.expires > seen.at
    allowed = given.count if given is not None and valid else 0
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
    return first_of(
        fail("violations-rising", watched and not (untold or rise <= 0)),
        fail("violations-unacknowledged", now > allowed),
        unknown("no-packets", not watched),
        unknown("not-a-number", untold),
        unknown("part-missing", seen.source.has_more(len(seen.readings))),
        ok="isolated",
    ).finding(
        expected=f"no increase over {limits.isolation_packets}, and not above {allowed} acknowledged",
        observed=f"{now:g} violations, {rise:g} more than {max(0, len(watched) - 1)} packets before; {aged(seen.source)}",
        details=tuple(details),
        limits=(limits.isolation_packets.named("isolation_packets"),),
    )


def kernels_in_time(seen: Kernels, limits: EsperLimits) -> Finding:
    """Kasmina's kernel was fetched within its budget, and no fallback kernel is in use."""
    if (found := silent(seen.source, limits)) is not None:
        return found
    watched = seen.loads[: max(1, int(limits.isolation_packets.value))]
    value = watched[0].fetch.value if watched else None
    fallbacks = [e for load in watched for e in load.fallbacks]
    fell_back = bool(fallbacks) or (bool(watched) and value is None)
    latency = (
        "no fetch latency: the last load used the fallback" if value is None else f"fetched in {value:g} ms"
    )
    told = tuple(f"fallback_applied {e.attributes} in {e.packet}, {e.age_s:.1f} s ago" for e in fallbacks[:5])
    refresh = ("kernels that fell back are the fallback blueprint's (BP001): run the forge again",)
    return first_of(
        fail("fallback-kernel", fell_back),
        fail("fetch-slow", value is not None and not 0 <= value <= limits.fetch.value),
        unknown("no-packets", not watched),
        unknown("part-missing", seen.source.has_more(len(seen.loads))),
        ok="kernels-in-time",
    ).finding(
        expected=f"fetched within {limits.fetch}, no fallback in the newest {len(watched)} packets",
        observed=f"{latency}, {len(fallbacks)} fallbacks; {aged(seen.source)}",
        details=(*told, *(refresh if fell_back else ())),
        limits=(limits.fetch.named("fetch"), limits.isolation_packets.named("isolation_packets")),
    )

"""Criteria of Kasmina: isolation of its seeds, and the time to fetch kernels."""

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


def isolation_kept(isolation: Isolation, limits: EsperLimits) -> Finding:
    """The violation counter did not rise in the newest packets, and is not above the acknowledged count."""
    if (finding := silent(isolation.source, limits)) is not None:
        return finding
    values = [math.nan if r.value is None else r.value for r in isolation.readings]  # newest first
    fell = next((i for i, (new, old) in enumerate(pairwise(values)) if new < old), None)
    since_start = values if fell is None else values[: fell + 1]
    watched = since_start[: int(limits.isolation_packets.value) + 1]
    now, before = (watched[0], watched[-1]) if watched else (0.0, 0.0)
    rise, not_a_number = now - before, any(not value >= 0 for value in watched)
    acknowledged = isolation.acknowledged
    valid = acknowledged is not None and acknowledged.expires > isolation.at
    allowed = acknowledged.count if acknowledged is not None and valid else 0
    details = [
        f"seed {e.attributes.get('seed_id', '?')}: {e.description}, {e.attributes.get('violations', '?')} in all, {e.age_s:.1f} s ago"
        for e in isolation.recorded[:5]
    ]
    details.append(f"seeds now: {', '.join(isolation.seeds) or 'none'}")
    if fell is not None:
        details.append(
            f"the counter fell from {values[fell + 1]:g} to {values[fell]:g}: Kasmina restarted, and earlier violations are no longer in it"
        )
    if acknowledged is not None:
        until = f"until {acknowledged.expires.isoformat()}{'' if valid else ' (expired)'}"
        details.append(f"acknowledged: {acknowledged.count} by {acknowledged.owner} {until}")
    details.append(
        "the counter never goes down while Kasmina runs, and a cleared alert proves nothing: any unrelated packet clears it"
    )
    return first_of(
        fail("violations-rising", watched and not (not_a_number or rise <= 0)),
        fail("violations-unacknowledged", now > allowed),
        unknown("no-packets", not watched),
        unknown("not-a-number", not_a_number),
        unknown("part-missing", isolation.source.has_more(len(isolation.readings))),
        ok="isolated",
    ).finding(
        expected=f"kasmina.isolation.violations does not rise over {limits.isolation_packets}, and is at most {allowed} (acknowledged)",
        observed=f"{now:g} violations, {rise:+g} over {max(0, len(watched) - 1)} packets; {aged(isolation.source)}",
        details=tuple(details),
        limits=(limits.isolation_packets.named("isolation_packets"),),
    )


def kernels_in_time(kernels: Kernels, limits: EsperLimits) -> Finding:
    """Kasmina's kernel was fetched within its budget, and no fallback kernel is in use."""
    if (finding := silent(kernels.source, limits)) is not None:
        return finding
    watched = kernels.loads[: max(1, int(limits.isolation_packets.value))]
    value = watched[0].fetch.value if watched else None
    fallbacks = [e for load in watched for e in load.fallbacks]
    fell_back = bool(fallbacks) or (bool(watched) and value is None)
    latency = (
        "no fetch latency: the last load used the fallback"
        if value is None
        else f"kernel fetched in {value:g} ms"
    )
    events = tuple(
        f"fallback_applied {e.attributes} in {e.packet}, {e.age_s:.1f} s ago" for e in fallbacks[:5]
    )
    refresh = ("a fallback kernel is that of blueprint BP001: run the forge again",)
    return first_of(
        fail("fallback-kernel", fell_back),
        fail("fetch-slow", value is not None and not 0 <= value <= limits.fetch.value),
        unknown("no-packets", not watched),
        unknown("part-missing", kernels.source.has_more(len(kernels.loads))),
        ok="kernels-in-time",
    ).finding(
        expected=f"kernel fetched within {limits.fetch}, no fallback in the newest {len(watched)} packets",
        observed=f"{latency}, {len(fallbacks)} fallbacks; {aged(kernels.source)}",
        details=(*events, *(refresh if fell_back else ())),
        limits=(limits.fetch.named("fetch"), limits.isolation_packets.named("isolation_packets")),
    )

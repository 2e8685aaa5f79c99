"""Whether a source of telemetry is heard at all: what every criterion of the training side asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.verdict import Finding

if TYPE_CHECKING:
    from fixtures.esper.limits import EsperLimits
    from fixtures.esper.seen.training import SourceSeen

__all__ = ["aged", "silent"]


def silent(source: SourceSeen, limits: EsperLimits) -> Finding | None:
    """The finding that ends all others: nothing of a source that is at work, or nothing fresh. None where it is heard."""
    expected = f"telemetry of {source.source} not older than {limits.fresh}"
    if source.age_s is None:
        return Finding(
            holds=False,
            reason="absent",
            expected=expected,
            observed=f"no packet of {source.source} among the newest {source.read} entries",
            details=(
                f"sources that show: {', '.join(source.others) or 'none'}",
                "the target says workload = running",
            ),
            limits=(limits.telemetry.named("telemetry"),),
        )
    if source.workload != "running" or source.age_s <= limits.fresh.value:
        return None
    return Finding(
        holds=False,
        reason="stale",
        expected=expected,
        observed=f"the newest packet of {source.source} is {source.age_s:.1f} s old ({source.entry})",
        details=(
            "the target says workload = running; a batch that has ended is idle",
            f"it last said {source.health or 'nothing'} {source.summary!r} of its health",
        ),
        limits=(limits.fresh.named("fresh"),),
    )


def aged(source: SourceSeen) -> str:
    """How old what is judged is, and what it is."""
    what = "newest packet" if source.workload == "running" else f"last run ({source.workload})"
    return f"{what}, {source.age_s or 0.0:.1f} s old"

"""Arrival of a source's telemetry: the first criterion of every check of the training side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.esper.limits import EsperLimits
    from systems.esper.training.models import SourceSeen

__all__ = ["aged", "is_fresh", "silent"]


def is_fresh(age_s: float | None, limits: EsperLimits) -> bool:
    """Whether an age is fresh. No packet at all (None) and a packet from the future are not."""
    return age_s is not None and -limits.fresh.value <= age_s <= limits.fresh.value


def silent(source: SourceSeen, limits: EsperLimits) -> Finding | None:
    """The finding of a source that is silent or stale, which ends all other criteria; None if its telemetry is fresh."""
    running, age_s = source.workload == "running", source.age_s
    old = age_s is not None and not is_fresh(age_s, limits)
    judged = first_of(
        fail("absent", running and age_s is None),
        fail("stale", running and old and not (age_s or 0.0) < 0),
        unknown("none-shown", age_s is None),
        unknown("ahead-of-the-clock", age_s is not None and not age_s >= -limits.fresh.value),
        ok="heard",
    )
    if judged.holds:
        return None
    expected = f"telemetry of {source.source} not older than {limits.fresh}"
    at_work = "the target says workload = running"
    if age_s is None:
        return judged.finding(
            expected=expected,
            observed=f"no packet of {source.source} among the newest {source.read} entries",
            details=(
                f"sources with packets: {', '.join(source.others) or 'none'}",
                *((at_work,) if running else ()),
            ),
            limits=(limits.telemetry.named("telemetry"),),
        )
    age = f"{-age_s:.1f} s ahead of Redis's clock" if age_s < 0 else f"{age_s:z.1f} s old"
    return judged.finding(
        expected=expected,
        observed=f"the newest packet of {source.source} is {age} ({source.entry})",
        details=(
            *((f"{at_work}; if the batch has ended, set it to idle",) if running else ()),
            f"last system_health: {source.health or 'none'} {source.summary!r}",
        ),
        limits=(limits.fresh.named("fresh"),),
    )


def aged(source: SourceSeen) -> str:
    """What is judged, the newest packet or the last run, with its age."""
    what = "newest packet" if source.workload == "running" else f"last run ({source.workload})"
    return f"{what}, {source.age_s or 0.0:z.1f} s old"

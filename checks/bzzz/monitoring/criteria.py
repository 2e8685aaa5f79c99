"""What must hold of BZZZ's health scores, health checks and errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from opsverify.model.verdict import Finding
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.models import Errors, HealthChecks, HealthScores, Samples

__all__ = ["errors_are_few", "health_checks_pass", "not_critical", "not_degraded"]

_MOST = 20
_LONGEST = 400


def not_critical(seen: HealthScores, limits: BzzzLimits) -> Finding:
    """No agent's health score is below the runbook's "critical"."""
    least = limits.health_critical
    return first_of(
        fail("health-critical", [s for s in seen.system.series if not s.value >= least.value]),
        unknown("part-missing", _part(seen)),
        unknown("no-components", seen.componentless or not seen.components.series),
        ok="not-critical",
    ).finding(
        expected=f"a health score of at least {least} of each agent",
        observed=_scores(seen),
        details=_details(seen),
        limits=(least.named("health_critical"),),
    )


def not_degraded(seen: HealthScores, limits: BzzzLimits) -> Finding:
    """No agent's health score is low. Not judged where one is critical: that is the worse."""
    least, critical = limits.health_low, limits.health_critical
    worse = any(not s.value >= critical.value for s in seen.system.series)
    low = any(not s.value >= least.value for s in seen.system.series)
    return first_of(
        fail("health-low", low and not worse),
        unknown("part-missing", not worse and _part(seen)),
        unknown("no-components", not worse and (seen.componentless or not seen.components.series)),
        fine("critical-judged", worse),
        ok="health-good",
    ).finding(
        expected=f"a health score of at least {least} of each agent, where none is critical",
        observed=_scores(seen),
        details=_details(seen),
        limits=(least.named("health_low"), critical.named("health_critical")),
    )


def _part(seen: HealthScores) -> bool:
    """Whether an agent has no score."""
    return bool(seen.missing) or len(seen.system.instances) < max(seen.wanted, 1)


def _scores(seen: HealthScores) -> str:
    told = bounded_text(", ".join(f"{s.who} {s.value:g}" for s in seen.system.worst[:_MOST]), _LONGEST)
    return f"{told} at {seen.system.at:%H:%M:%SZ} ({len(seen.system.series)} of {seen.wanted} agents)"


def _details(seen: HealthScores) -> tuple[str, ...]:
    components = [_line(f"{s.who}: {s.value:g}") for s in seen.components.worst[:_MOST]]
    left = len(seen.components.series) - _MOST
    more = [f"and {left} more components"] if left > 0 else []
    unseen = [] if seen.components.series else [_line(f"no component has a score: {seen.componentless}")]
    return (*_notes(seen.system, seen.components), *seen.missing, *components, *more, *unseen)


def health_checks_pass(seen: HealthChecks, limits: BzzzLimits) -> Finding:
    """Of the health checks that were made, enough passed: sum(passed) / (sum(passed) + sum(failed))."""
    passed = sum(s.value for s in seen.passed.series)
    failed = sum(s.value for s in seen.failed.series)
    made, least = passed + failed, limits.sli
    share = passed / made if made > 0 else math.nan
    unseen = len(seen.passed.instances | seen.failed.instances) < seen.wanted
    return first_of(
        fail("sli-missed", made > 0 and not share >= least.value),
        unknown("no-checks", not made > 0),
        unknown("part-missing", seen.missing or unseen or not seen.passed.series or not seen.failed.series),
        ok="sli-met",
    ).finding(
        expected=f"at least {least}, over {seen.window_s:g} s",
        observed=f"{share:.4f}: {passed:.3f} passed and {failed:.3f} failed per second",
        details=(
            *_notes(seen.passed, seen.failed),
            *seen.missing,
            *_highest(seen.failed, "failed per second"),
        ),
        limits=(least.named("sli"), limits.sli_window.named("sli_window")),
    )


def errors_are_few(seen: Errors, limits: BzzzLimits) -> Finding:
    """All agents together log no more errors per second than the limit."""
    rate, most = sum(s.value for s in seen.rates.series), limits.error_rate
    # Prometheus lists its targets twice in one look: whom it scraped by the one and not by the other was not counted.
    own = tuple(f"{agent}{end}" for agent in seen.scraped for end in (" ", ": "))
    uncounted = [series for series in seen.rates.stale if series.startswith(own)]
    missing = seen.missing or uncounted or len(seen.scraped) < seen.wanted or not seen.rates.series
    return first_of(
        fail("errors-many", not rate <= most.value),
        unknown("part-missing", missing),
        ok="errors-few",
    ).finding(
        expected=f"at most {most}, over {seen.window_s:g} s",
        observed=f"{rate:.3f} errors per second in {len(seen.rates.series)} series",
        details=(*_notes(seen.rates), *seen.missing, *_highest(seen.rates, "errors per second")),
        limits=(most.named("error_rate"), limits.sli_window.named("sli_window")),
    )


def _highest(samples: Samples, what: str) -> tuple[str, ...]:
    """The series with the highest values, those at 0 left out."""
    found = [s for s in reversed(samples.worst) if s.value > 0]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return (*(_line(f"{s.who}: {s.value:.3f} {what}") for s in found[:_MOST]), *more)


def _notes(*asked: Samples) -> tuple[str, ...]:
    """What has to be known of the answers themselves; several may have said the same."""
    notes = dict.fromkeys(
        [f"Prometheus warns: {w}" for samples in asked for w in samples.warnings]
        + [f"stale, left out: {s}" for samples in asked for s in samples.stale]
    )
    return tuple(_line(note) for note in [*notes][:_MOST])


def _line(text: str) -> str:
    return bounded_text(" ".join(text.split()), _LONGEST)

"""Criteria of the agents' health scores, health checks and error rates, as Prometheus has them."""

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


def not_critical(scores: HealthScores, limits: BzzzLimits) -> Finding:
    """No agent's health score is below the runbook's "critical"."""
    least = limits.health_critical
    return first_of(
        fail("health-critical", [s for s in scores.system.series if not s.value >= least.value]),
        unknown("part-missing", _incomplete(scores)),
        unknown("no-components", scores.componentless or not scores.components.series),
        ok="not-critical",
    ).finding(
        expected=f"health score of each agent at least {least.value:g}",
        observed=_scores(scores),
        details=_details(scores),
        limits=(least.named("health_critical"),),
    )


def not_degraded(scores: HealthScores, limits: BzzzLimits) -> Finding:
    """No agent's health score is low. Not judged where one is critical: B-MON-1 judges that."""
    least, critical = limits.health_low, limits.health_critical
    worse = any(not s.value >= critical.value for s in scores.system.series)
    low = any(not s.value >= least.value for s in scores.system.series)
    return first_of(
        fail("health-low", low and not worse),
        unknown("part-missing", not worse and _incomplete(scores)),
        unknown("no-components", not worse and (scores.componentless or not scores.components.series)),
        fine("critical-judged", worse),
        ok="health-good",
    ).finding(
        expected=f"health score of each agent at least {least.value:g} (below {critical.value:g} B-MON-1 judges)",
        observed=_scores(scores),
        details=_details(scores),
        limits=(least.named("health_low"), critical.named("health_critical")),
    )


def _incomplete(scores: HealthScores) -> bool:
    """Whether an agent has no score."""
    return bool(scores.missing) or len(scores.system.instances) < max(scores.wanted, 1)


def _scores(scores: HealthScores) -> str:
    lowest = bounded_text(", ".join(f"{s.who} {s.value:g}" for s in scores.system.worst[:_MOST]), _LONGEST)
    return f"{lowest} at {scores.system.at:%H:%M:%SZ} ({len(scores.system.series)} of {scores.wanted} agents)"


def _details(scores: HealthScores) -> tuple[str, ...]:
    components = [_line(f"{s.who}: {s.value:g}") for s in scores.components.worst[:_MOST]]
    left = len(scores.components.series) - _MOST
    more = [f"and {left} more components"] if left > 0 else []
    unseen = [] if scores.components.series else [_line(f"no component scores: {scores.componentless}")]
    return (*_notes(scores.system, scores.components), *scores.missing, *components, *more, *unseen)


def health_checks_pass(checks: HealthChecks, limits: BzzzLimits) -> Finding:
    """Enough of the agents' health checks passed: sum(passed) / (sum(passed) + sum(failed))."""
    passed = sum(s.value for s in checks.passed.series)
    failed = sum(s.value for s in checks.failed.series)
    made, least = passed + failed, limits.sli
    share = passed / made if made > 0 else math.nan
    unseen = len(checks.passed.instances | checks.failed.instances) < checks.wanted
    return first_of(
        fail("sli-missed", made > 0 and not share >= least.value),
        unknown("no-checks", not made > 0),
        unknown(
            "part-missing", checks.missing or unseen or not checks.passed.series or not checks.failed.series
        ),
        ok="sli-met",
    ).finding(
        expected=f"at least {least}, over {checks.window_s:g} s",
        observed=f"{share:.4f} ({passed:.3f} passed, {failed:.3f} failed per second)"
        if made > 0
        else "no health check was counted",
        details=(
            *_notes(checks.passed, checks.failed),
            *checks.missing,
            *_highest(checks.failed, "failed per second"),
        ),
        limits=(least.named("sli"), limits.sli_window.named("sli_window")),
    )


def errors_are_few(errors: Errors, limits: BzzzLimits) -> Finding:
    """All agents together log no more errors per second than the limit."""
    rate, most = sum(s.value for s in errors.rates.series), limits.error_rate
    # Targets and rates are two queries: an agent that is scraped by the one and stale by the other was not counted.
    own = tuple(f"{agent}{end}" for agent in errors.scraped for end in (" ", ": "))
    uncounted = [series for series in errors.rates.stale if series.startswith(own)]
    missing = errors.missing or uncounted or len(errors.scraped) < errors.wanted or not errors.rates.series
    return first_of(
        fail("errors-many", not rate <= most.value),
        unknown("part-missing", missing),
        ok="errors-few",
    ).finding(
        expected=f"at most {most}, over {errors.window_s:g} s",
        observed=f"{rate:.3f} errors per second in {len(errors.rates.series)} series",
        details=(*_notes(errors.rates), *errors.missing, *_highest(errors.rates, "errors per second")),
        limits=(most.named("error_rate"), limits.sli_window.named("sli_window")),
    )


def _highest(samples: Samples, what: str) -> tuple[str, ...]:
    """The series with the highest values, those at 0 left out."""
    nonzero = [s for s in reversed(samples.worst) if s.value > 0]
    more = [f"and {len(nonzero) - _MOST} more"] if len(nonzero) > _MOST else []
    return (*(_line(f"{s.who}: {s.value:.3f} {what}") for s in nonzero[:_MOST]), *more)


def _notes(*answers: Samples) -> tuple[str, ...]:
    """Prometheus's warnings and the series that were left out, each once."""
    notes = dict.fromkeys(
        [f"Prometheus warns: {w}" for samples in answers for w in samples.warnings]
        + [f"stale, left out: {s}" for samples in answers for s in samples.stale]
    )
    return tuple(_line(note) for note in [*notes][:_MOST])


def _line(text: str) -> str:
    return bounded_text(" ".join(text.split()), _LONGEST)

"""A canary looks at a failing P0 twice: only the second sample counts, and both are shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsverify.model.judge import judge
from opsverify.model.verdict import Outcome, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from opsverify.model.check import Check
    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.run.run import Run

__all__ = ["final_outcome", "second_samples"]

_CLOSE = timedelta(seconds=30)
_Observations = dict[str, "Observation[Any]"]


async def second_samples(
    run: Run,
    specs: Iterable[ObservationSpec],
    first: _Observations,
    gather: Callable[[list[ObservationSpec]], Awaitable[_Observations]],
) -> _Observations:
    """`first`, with the systems whose P0 checks fail observed once more.

    A whole system is looked at again, so that what is judged together was seen together. What acts on the target is not
    repeated; a check that is judged from that keeps its first sample.
    """
    if run.options.profile != "canary":
        return first
    chosen = [check for nodeid, check in run.checks.items() if nodeid in run.chosen]
    failing = {
        check.nodeid: (check, outcome)
        for check in chosen
        if run.severity(check) is Severity.P0
        and not any(spec.active for spec in run.specs_of(check))
        and (outcome := _judged(run, check, first)) is not None
        and outcome.verdict is Verdict.FAIL
    }
    if not failing:
        return first
    systems = {check.system for check, _ in failing.values()}
    await asyncio.sleep(run.target.canary.confirming.total_seconds())
    again = await gather([spec for spec in specs if spec.system in systems and not spec.active])
    both = {**first, **again}
    run.first_sample = {nodeid: outcome for nodeid, (_, outcome) in failing.items()}
    run.confirmed = frozenset(
        nodeid
        for nodeid, (check, _) in failing.items()
        if (second := _judged(run, check, both)) is not None
        and second.verdict is Verdict.FAIL
        and _time_apart(check, first, again) <= _CLOSE
    )
    return both


def _judged(run: Run, check: Check, observations: Mapping[str, Observation[Any]]) -> Outcome | None:
    """The outcome of a check before its turn, or None where it asks for more than observations and limits."""
    arguments: dict[str, Any] = {**observations, "limits": run.target.sections()[check.system].limits}
    if not arguments.keys() >= set(check.asks):
        return None
    return judge(check, {name: arguments[name] for name in check.asks})


def _time_apart(check: Check, first: _Observations, second: _Observations) -> timedelta:
    names = [name for name in check.asks if name in second]
    if not names:
        return timedelta.max
    return max(second[name].at for name in names) - min(first[name].at for name in names)


def final_outcome(run: Run, check: Check, outcome: Outcome) -> Outcome:
    """The outcome that is reported: with the first sample of one that was looked at twice, and with its waiver."""
    first = run.first_sample.get(check.nodeid)
    if first is not None:
        outcome = _with_first(outcome, first)
    return run.waivers.applied(check.id, outcome, datetime.now(UTC))


def _with_first(outcome: Outcome, first: Outcome) -> Outcome:
    failed = next(f for f in first.findings if f.holds is False)
    note = (
        f"observed twice, and the second sample counts; the first was FAIL {failed.reason}: {failed.observed}"
    )
    if not outcome.findings:
        return outcome.model_copy(update={"explanation": f"{outcome.explanation}; {note}"})
    head, *rest = outcome.findings
    return outcome.model_copy(
        update={"findings": (head.model_copy(update={"details": (note, *head.details)}), *rest)}
    )
